// The contract of RevocationStore, on every database: whoever reads on from a cursor misses nothing, in whatever order it commits.

import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import type { RevocationPage, RevocationPosition } from '../../src/domain/revocation/revocation-store.ts';
import { MAX_PER_PAGE } from '../../src/domain/revocation/revocation-store.ts';
import type { Revocation, RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnEveryDatabase, describeOnPostgres, type TestStores } from '../support/databases.ts';
import { NOW } from '../support/samples.ts';
import { containingAll } from '../support/matchers.ts';

const TTL_MS = 1_000_000;

function revoke(target: Partial<RevocationTarget> = {}, expireTime = NOW + TTL_MS): Revocation {
  const whole = { form: 'token', id: newId(), ...target } as RevocationTarget;
  return { ...whole, revokeTime: NOW, expireTime };
}

describeOnEveryDatabase('RevocationStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });

  it('gives back each form as it was written', async () => {
    const all = [
      revoke(),
      revoke({ form: 'session', id: 'not a uuid' }),
      revoke({ form: 'subject', minVersion: 7 }),
    ];
    for (const revocation of all) await db.stores.revocations.insert(revocation);
    const { revocations } = await db.stores.revocations.snapshot(NOW);
    expect(revocations).toEqual(containingAll(all));
  });

  it('lets a session end at the soonest of the times said; at once is sooner than any', async () => {
    const { revocations } = db.stores;
    const endings: ReadonlyArray<
      readonly [effectTimes: ReadonlyArray<number | undefined>, soonest: number | undefined]
    > = [
      [[NOW + 5], NOW + 5],
      [[NOW + 5, NOW + 3], NOW + 3],
      [[NOW + 3, NOW + 5], NOW + 3],
      [[NOW + 5, undefined], undefined],
      [[undefined, NOW + 5], undefined],
    ];
    for (const [effectTimes, soonest] of endings) {
      const id = newId();
      for (const effectTime of effectTimes)
        await revocations.insert(revoke({ form: 'session', id, effectTime }));
      const page = await revocations.snapshot(NOW);
      expect(page.revocations.filter((one) => one.id === id)).toEqual([
        revoke({ form: 'session', id, ...(soonest === undefined ? {} : { effectTime: soonest }) }),
      ]);
    }
  });

  it('shows in a snapshot what is live at that moment', async () => {
    const { revocations } = db.stores;
    const revocation = revoke({}, NOW + 10);
    await revocations.insert(revocation);
    const ids = async (now: number) => (await revocations.snapshot(now)).revocations.map(({ id }) => id);
    expect(await ids(NOW + 9)).toContain(revocation.id);
    expect(await ids(NOW + 10)).not.toContain(revocation.id);
  });

  it('has a cursor also when there is nothing to show', async () => {
    const empty = await open();
    const start = await empty.stores.revocations.snapshot(NOW);
    expect(start.revocations).toEqual([]);
    expect(start.cursor).toMatch(/^[1-9]\d*$/);
    const revocation = revoke();
    await empty.stores.revocations.insert(revocation);
    const next = await empty.stores.revocations.since(start.cursor);
    expect(next.revocations).toEqual([revocation]);
    expect((await empty.stores.revocations.since(next.cursor)).cursor).toMatch(/^[1-9]\d*$/);
  });

  it('tells everything to whoever comes from further on than this database is', async () => {
    const { revocations } = db.stores;
    const old = revoke();
    await revocations.insert(old);
    expect((await revocations.since('18446744073709551000')).revocations).toContainEqual(old);
  });

  it('moves on: what was read long ago is not read again and again', async () => {
    const { revocations } = db.stores;
    const old = revoke();
    await revocations.insert(old);
    // A transaction that is open anywhere in the cluster holds the cursor back: another test's may be.
    const cursor = await eventually(async () => {
      const page = await revocations.snapshot(NOW);
      const { revocations: since } = await revocations.since(page.cursor);
      return since.some(({ id }) => id === old.id) ? undefined : page.cursor;
    });
    const fresh = revoke();
    await revocations.insert(fresh);
    const page = await revocations.since(cursor);
    expect(page.revocations).toContainEqual(fresh);
    expect(page.revocations).not.toContainEqual(old);
  });

  it('keeps the greatest version and the latest expiry of a subject, whichever came last', async () => {
    const { revocations } = db.stores;
    const subject = newId();
    for (const [minVersion, expireTime] of [
      [5, NOW + 30],
      [9, NOW + 10],
      [7, NOW + 20],
    ] as const) {
      await revocations.insert(revoke({ form: 'subject', id: subject, minVersion }, expireTime));
    }
    const { revocations: live } = await revocations.snapshot(NOW);
    expect(live.filter(({ id }) => id === subject)).toEqual([
      revoke({ form: 'subject', id: subject, minVersion: 9 }, NOW + 30),
    ]);
  });

  it('tells of a subject again when its version rises', async () => {
    const { revocations } = db.stores;
    const subject = { form: 'subject', id: newId() } as const;
    await revocations.insert(revoke({ ...subject, minVersion: 2 }));
    const { cursor } = await revocations.snapshot(NOW);
    await revocations.insert(revoke({ ...subject, minVersion: 3 }));
    expect((await revocations.since(cursor)).revocations).toContainEqual(
      revoke({ ...subject, minVersion: 3 }),
    );
  });

  it('reads many page by page, and nothing is missed of what commits between two pages', async () => {
    const { stores, database } = await open();
    await sql`
      insert into revocations (form, target_id, min_version, revoke_time, expire_time)
      select 'token', gen_random_uuid()::text, 0, now(), now() + interval '1 day'
      from generate_series(1, ${2 * MAX_PER_PAGE + 1})`.execute(database.tables);
    const bothEnds = async () => {
      const ids = ['0', 'f'].map((digit) => digit.repeat(7) + newId().slice(7));
      for (const id of ids) await stores.revocations.insert(revoke({ id }, Date.now() + TTL_MS));
      return ids;
    };
    const readAll = async (read: (after?: RevocationPosition) => Promise<RevocationPage>) => {
      const [first, written, ids] = [await read(), await bothEnds(), new Set<string>()];
      const sizes: number[] = [];
      for (let page = first; ; page = await read(page.next)) {
        sizes.push(page.revocations.length);
        for (const { id } of page.revocations) ids.add(id);
        if (page.next === undefined) return { sizes, ids, written, cursor: first.cursor };
      }
    };
    const start = await stores.revocations.snapshot(NOW);
    const whole = await readAll((after) => stores.revocations.snapshot(NOW, after));
    expect(whole.sizes).toEqual([MAX_PER_PAGE, MAX_PER_PAGE, 2]);
    await sql`update revocations set written_by = pg_current_xact_id()`.execute(database.tables);
    const rest = await readAll((after) => stores.revocations.since(whole.cursor, after));
    expect(rest.sizes.slice(0, 2)).toEqual([MAX_PER_PAGE, MAX_PER_PAGE]);
    expect(whole.written.filter((id) => !rest.ids.has(id) && !whole.ids.has(id))).toEqual([]);
    expect(start.revocations.filter(({ id }) => !whole.ids.has(id))).toEqual([]);
    const last = await readAll((after) => stores.revocations.since(rest.cursor, after));
    expect(rest.written.filter((id) => !rest.ids.has(id) && !last.ids.has(id))).toEqual([]);
  });

  it('shows nothing of a transaction that failed', async () => {
    const revocation = revoke();
    const { cursor } = await db.stores.revocations.snapshot(NOW);
    const failing = db.transact(async ({ revocations }) => {
      await revocations.insert(revocation);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect((await db.stores.revocations.since(cursor)).revocations).not.toContainEqual(revocation);
  });
});

describeOnEveryDatabase('The expiry of revocations', (open) => {
  const HOUR_MS = 3_600_000;
  const MARGIN_MS = 120_000;
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
    for (const lifetimeMs of [60_000, HOUR_MS, 900_000]) await db.stores.tokenLifetimes.register(lifetimeMs);
  });

  /** The database's clock, in epoch milliseconds. */
  const databaseTime = async () => (await db.stores.revocations.snapshot(NOW)).databaseTime;

  it('outlives the longest token that any node may have issued, by the clock of the database', async () => {
    const targets = [
      { form: 'session', id: newId() },
      { form: 'subject', id: newId(), minVersion: 3 },
    ] as const;
    for (const target of targets) {
      const before = await databaseTime();
      // By a node whose clock is months behind and whose own tokens live for a second.
      const kept = await db.stores.revocations.insert(revoke(target, NOW + 1_000));
      expect(kept.expireTime).toBeGreaterThanOrEqual(before + HOUR_MS + MARGIN_MS);
      expect(kept.expireTime).toBeLessThanOrEqual((await databaseTime()) + HOUR_MS + MARGIN_MS);
      const { revocations } = await db.stores.revocations.snapshot(NOW);
      expect(revocations).toContainEqual(kept);
    }
  });

  it('counts from when a session is to end, and from the clock of a node that is ahead', async () => {
    const ahead = (await databaseTime()) + 5 * HOUR_MS;
    const { revocations } = db.stores;
    const later = await revocations.insert(revoke({ form: 'session', effectTime: ahead }, NOW));
    expect(later.expireTime).toBe(ahead + HOUR_MS + MARGIN_MS);
    const made = { form: 'session', id: newId(), revokeTime: ahead, expireTime: NOW } as const;
    expect((await revocations.insert(made)).expireTime).toBe(ahead + HOUR_MS + MARGIN_MS);
  });

  it('is that of the token for a token alone', async () => {
    const token = revoke({}, NOW + TTL_MS);
    expect(await db.stores.revocations.insert(token)).toEqual(token);
  });

  it('forgets a lifetime once no token can have it, and not before', async () => {
    const fresh = await open();
    const age = (hours: number) =>
      fresh.database.tables
        .updateTable('access_token_lifetimes' as never)
        .set({ last_used_time: sql`clock_timestamp() - ${hours} * interval '1 hour'` } as never)
        .execute();
    await fresh.stores.tokenLifetimes.register(10 * HOUR_MS);
    const keptFor = async () => {
      const { expireTime } = await fresh.stores.revocations.insert(revoke({ form: 'session' }, NOW));
      return Math.round((expireTime - (await databaseTime()) - MARGIN_MS) / HOUR_MS);
    };
    await age(10);
    await fresh.stores.tokenLifetimes.register(HOUR_MS);
    expect(await keptFor()).toBe(10);
    await age(12);
    await fresh.stores.tokenLifetimes.register(HOUR_MS);
    expect(await keptFor()).toBe(1);
  });

  it('is written for a token once, by the first of many at once', async () => {
    const { expireTime, id } = revoke();
    const token = { form: 'token', id, revokeTime: NOW, expireTime } as const;
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => db.transact(({ revocations }) => revocations.insertNew(token))),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    // One that was kept too short, by a release that did not look at the token's own end, is kept longer.
    expect(await db.stores.revocations.insertNew({ ...token, expireTime: expireTime + 1 })).toBe(true);
    expect(await db.stores.revocations.insertNew(token)).toBe(false);
  });
});

describeOnPostgres('RevocationStore under concurrent commits', (open) => {
  it('misses nothing that commits late: written before a look, committed after it', async () => {
    const { stores, transact } = await open();
    const { cursor: start } = await stores.revocations.snapshot(NOW);
    const early = revoke();
    const written = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const slow = transact(async ({ revocations }) => {
      await revocations.insert(early);
      written.resolve();
      await mayCommit.promise;
    });
    await written.promise;
    const late = revoke();
    await stores.revocations.insert(late);

    const first = await stores.revocations.since(start);
    expect(first.revocations).toEqual([late]);
    mayCommit.resolve();
    await slow;
    const second = await stores.revocations.since(first.cursor);
    expect(second.revocations).toContainEqual(early);
    // A transaction that is open anywhere in the cluster holds the cursor back: another test's may be.
    let { cursor } = second;
    await eventually(
      async () => {
        const page = await stores.revocations.since(cursor);
        ({ cursor } = page);
        return page.revocations.length === 0;
      },
      { timeoutMs: 40_000 },
    );
  });

  it('misses nothing while many write and one reads on from cursor to cursor', async () => {
    const { stores, transact } = await open();
    const seen = new Set<string>();
    let { cursor } = await stores.revocations.snapshot(NOW);
    const look = async () => {
      const page = await stores.revocations.since(cursor);
      for (const { id } of page.revocations) seen.add(id);
      ({ cursor } = page);
    };
    const written: string[] = [];
    const busy = new Set([1, 2, 3, 4, 5, 6]);
    const write = async (writer: number) => {
      for (let round = 0; round < 40; round += 1) {
        const batch = [revoke(), revoke(), revoke()];
        await transact(async ({ revocations }) => {
          for (const revocation of batch) await revocations.insert(revocation);
        });
        written.push(...batch.map(({ id }) => id));
      }
      busy.delete(writer);
    };
    const writing = Promise.all([...busy].map(write));
    while (busy.size > 0) await look();
    await writing;
    await look();
    expect(written).toHaveLength(720);
    expect(written.filter((id) => !seen.has(id))).toEqual([]);
  });
});
