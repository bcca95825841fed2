// The contract of LockoutStore, on every database.

import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { NOW } from '../support/samples.ts';

const RULE = { maxFailures: 5, lockMs: 900_000 };

describeOnEveryDatabase('LockoutStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  const count = (key: string, now: number) => db.stores.lockouts.count(key, now, RULE);
  const lockedUntil = async (key: string, now: number) =>
    (await db.stores.lockouts.findLocks([key], now)).get(key);
  const clear = async (key: string, now: number) =>
    (await db.transact(({ lockouts }) => lockouts.clear([key], now))).get(key);

  /** A key with so many failures, one a second from NOW on. */
  const failed = async (failures: number) => {
    const key = newId();
    for (let index = 0; index < failures; index += 1) await count(key, NOW + index * 1_000);
    return key;
  };

  it('locks with the fifth failure, from then on', async () => {
    const key = newId();
    for (let failure = 1; failure <= 4; failure += 1) {
      expect(await count(key, NOW + failure)).toEqual({
        failures: failure,
        lockedUntil: undefined,
        lockedNow: false,
      });
    }
    expect(await lockedUntil(key, NOW + 4)).toBeUndefined();
    const until = NOW + 5 + RULE.lockMs;
    expect(await count(key, NOW + 5)).toEqual({ failures: 5, lockedUntil: until, lockedNow: true });
    expect(await lockedUntil(key, NOW + 5)).toBe(until);
    expect(await lockedUntil(newId(), NOW + 5)).toBeUndefined();
  });

  it('does not lock longer for failures while it is locked, and says so once', async () => {
    const key = await failed(5);
    const until = NOW + 4_000 + RULE.lockMs;
    for (const now of [NOW + 5_000, until - 1])
      expect(await count(key, now)).toMatchObject({ lockedUntil: until, lockedNow: false });
    expect(await lockedUntil(key, until - 1)).toBe(until);
    expect(await lockedUntil(key, until)).toBeUndefined();
  });

  it('begins anew when the lock is over, and when nothing failed for as long as a lock lasts', async () => {
    const locked = await failed(5);
    const later = NOW + 4_000 + RULE.lockMs;
    expect(await count(locked, later)).toEqual({ failures: 1, lockedUntil: undefined, lockedNow: false });
    const tried = await failed(4);
    expect(await count(tried, NOW + 3_000 + RULE.lockMs)).toMatchObject({ failures: 1 });
    const recent = await failed(4);
    expect(await count(recent, NOW + 3_000 + RULE.lockMs - 1)).toMatchObject({
      failures: 5,
      lockedNow: true,
    });
  });

  it('deletes failures after a success, and never a lock', async () => {
    const tried = await failed(4);
    expect(await clear(tried, NOW + 5_000)).toBeUndefined();
    expect(await count(tried, NOW + 5_000)).toMatchObject({ failures: 1 });
    const locked = await failed(5);
    const until = NOW + 4_000 + RULE.lockMs;
    expect(await clear(locked, NOW + 5_000)).toBe(until);
    expect(await lockedUntil(locked, NOW + 5_000)).toBe(until);
    expect(await clear(locked, until)).toBeUndefined();
    expect(await clear(newId(), NOW)).toBeUndefined();
  });

  it('finds, clears and deletes many at once, and keeps what is locked from being cleared', async () => {
    const [locked, tried, absent] = [await failed(5), await failed(4), newId()];
    const keys = [absent, tried, locked];
    const now = NOW + 5_000;
    const locks = new Map([[locked, NOW + 4_000 + RULE.lockMs]]);
    expect(await db.stores.lockouts.findLocks(keys, now)).toEqual(locks);
    expect(await db.stores.lockouts.findLocks([], now)).toEqual(new Map());
    expect(await db.transact(({ lockouts }) => lockouts.clear(keys, now))).toEqual(locks);
    expect(await count(tried, now)).toMatchObject({ failures: 1 });
    const remove = () => db.transact(({ lockouts }) => lockouts.deleteAll(keys));
    expect([await remove(), await remove()]).toEqual([true, false]);
    expect(await db.stores.lockouts.findLocks(keys, now)).toEqual(new Map());
  });

  it('makes no deadlock of failures, successes and pardons that cross', async () => {
    const keys = [newId(), newId(), newId()];
    const countAll = () =>
      db.transact(async ({ lockouts }) => {
        for (const key of keys) await lockouts.count(key, NOW, RULE);
      });
    let attempts = 0;
    const work = Array.from({ length: 60 }, (_, index) =>
      db.transact(async (stores) => {
        attempts += 1;
        if (index % 3 === 0) await stores.lockouts.clear(keys, NOW);
        else if (index % 3 === 1) await stores.lockouts.deleteAll(keys);
        else for (const key of keys) await stores.lockouts.count(key, NOW, RULE);
      }),
    );
    await countAll();
    await Promise.all(work);
    expect(attempts).toBe(60);
  });

  it('counts 100 failures at once one by one: one of them locks', async () => {
    const key = newId();
    const counts = await Promise.all(Array.from({ length: 100 }, () => count(key, NOW)));
    expect(counts.map(({ failures }) => failures).toSorted((left, right) => left - right)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
    expect(counts.filter(({ lockedNow }) => lockedNow)).toHaveLength(1);
  });

  it('lets a success and the failure that locks come one after the other', async () => {
    for (let round = 0; round < 20; round += 1) {
      const key = await failed(4);
      const now = NOW + 5_000;
      const [cleared, counted] = await Promise.all([
        clear(key, now),
        db.transact((stores) => stores.lockouts.count(key, now, RULE)),
      ]);
      // Either the success was first and the failure is the first of a new row, or the account is locked and the success was answered.
      if (cleared === undefined) expect(counted).toMatchObject({ failures: 1, lockedNow: false });
      else expect(counted).toMatchObject({ failures: 5, lockedUntil: cleared });
    }
  });
});
