// The contracts of OwnApiKeyStore and of what ApiKeyStore counts, on every database.

import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import type { NewApiKey } from '../../src/domain/api-key/api-key.ts';
import { parseNetwork } from '../../src/domain/network/ip-network.ts';
import { describeOnEveryDatabase, describeOnPostgres, type TestStores } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { DAY_MS, NOW, sampleApiKey, sampleUser } from '../support/samples.ts';

describeOnPostgres('A transaction that holds an owner', (open) => {
  it('lets the next one see the keys that it made', async () => {
    const db = await open();
    const owner = sampleUser();
    await db.stores.users.insert(owner);
    const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const first = db.transact(async ({ ownApiKeys, apiKeys }) => {
      await ownApiKeys.lockOwner(owner.id);
      held.resolve();
      await gate.promise;
      await apiKeys.insert(sampleApiKey(owner.id));
    });
    await held.promise;
    const second = db.transact(async ({ ownApiKeys }) => {
      await ownApiKeys.lockOwner(owner.id);
      return ownApiKeys.countLive(owner.id, NOW);
    });
    await eventually(async () => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(db.database.tables);
      return (rows[0]?.count ?? 0) > 0;
    }).finally(gate.resolve);
    await first;
    expect(await second).toBe(1);
  });
});

describeOnEveryDatabase('OwnApiKeyStore', (open) => {
  let db: TestStores;
  let ownerId: string;
  beforeAll(async () => {
    db = await open();
    const owner = sampleUser({ role: 'moderator' });
    await db.stores.users.insert(owner);
    ownerId = owner.id;
  });
  const insert = async (change: Partial<NewApiKey> = {}, owner = ownerId) => {
    const key = sampleApiKey(owner, change);
    await db.stores.apiKeys.insert(key);
    return key;
  };
  const page = (owner: string, limit = 10, before?: { createTime: number; id: string }) =>
    db.stores.ownApiKeys.list({ ownerId: owner, before, limit });

  it('gives back a key as it was put in', async () => {
    const key = await insert({ allowedCidrs: ['10.0.0.0/8', '2001:db8::/32'], expireTime: NOW + DAY_MS });
    const { digest: _digest, ownerKind: _ownerKind, ...kept } = key;
    const expected = { ...kept, lastUsedTime: undefined, useCount: 0n };
    expect(await db.stores.ownApiKeys.lockLive(key.id, ownerId, NOW)).toEqual(expected);
    expect((await page(ownerId)).find(({ id }) => id === key.id)).toEqual(expected);
    expect((await db.stores.apiKeys.find(key.id))?.networks).toEqual(
      key.allowedCidrs.map((text) => parseNetwork(text)?.network),
    );
  });

  it('reads no list that it does not understand as no list', async () => {
    const key = await insert({ allowedCidrs: ['nonsense'] });
    await expect(db.stores.apiKeys.find(key.id)).rejects.toThrow('nonsense');
    await db.stores.apiKeys.revoke(key.id, NOW);
  });

  it('names the role and the epoch of an active owner alone', async () => {
    const { ownApiKeys, users } = db.stores;
    expect(await ownApiKeys.lockOwner(ownerId)).toEqual({ role: 'moderator', tokenVersion: 1 });
    expect(await ownApiKeys.lockOwner(newId())).toBeUndefined();
    const gone = sampleUser();
    await users.insert(gone);
    await db.database.tables
      .updateTable('users')
      .set({ status: 'suspended' })
      .where('id', '=', gone.id)
      .execute();
    expect(await ownApiKeys.lockOwner(gone.id)).toBeUndefined();
  });

  it("sees live keys of the owner's own, as a person", async () => {
    const { ownApiKeys, apiKeys } = db.stores;
    const owner = newId();
    const live = await insert({ expireTime: NOW + 1 }, owner);
    const revoked = await insert({}, owner);
    await apiKeys.revoke(revoked.id, NOW);
    const expired = await insert({ expireTime: NOW }, owner);
    const ofService = await insert({ ownerKind: 'service' }, owner);
    const others = await insert({}, newId());
    expect(await ownApiKeys.countLive(owner, NOW)).toBe(1);
    expect(await ownApiKeys.countLive(owner, NOW + 1)).toBe(0);
    expect((await ownApiKeys.lockLive(live.id, owner, NOW))?.id).toBe(live.id);
    for (const key of [revoked, expired, ofService, others])
      expect(await ownApiKeys.lockLive(key.id, owner, NOW)).toBeUndefined();
    expect((await page(owner)).map(({ id }) => id).toSorted()).toEqual([live.id, expired.id].toSorted());
    for (const key of [revoked, ofService, others])
      expect(await ownApiKeys.revokeOwn(key.id, owner, NOW)).toBe(false);
    expect(await ownApiKeys.revokeOwn(expired.id, owner, NOW)).toBe(true);
    expect((await apiKeys.find(others.id))?.revokeTime).toBeUndefined();
  });

  it('is revoked once by many at once, and shortened', async () => {
    const { ownApiKeys, apiKeys } = db.stores;
    const key = await insert({ expireTime: NOW + DAY_MS });
    await apiKeys.setExpiry(key.id, NOW + 5);
    expect((await apiKeys.find(key.id))?.expireTime).toBe(NOW + 5);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => ownApiKeys.revokeOwn(key.id, ownerId, NOW)),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
  });

  it('pages through keys of one and the same moment without repeat or gap', async () => {
    const owner = newId();
    const keys = await Promise.all(
      Array.from({ length: 7 }, (_item, index) => insert({ createTime: NOW + Math.floor(index / 4) }, owner)),
    );
    const seen: string[] = [];
    for (let before: { createTime: number; id: string } | undefined; ;) {
      const found = await page(owner, 3, before);
      seen.push(...found.map(({ id }) => id));
      before = found.at(-1);
      if (before === undefined) break;
    }
    const expected = keys
      .toSorted((a, b) => b.createTime - a.createTime || (a.id < b.id ? 1 : -1))
      .map(({ id }) => id);
    expect(seen).toEqual(expected);
  });

  it('adds up what many count at once, and never sets the last use back', async () => {
    const { apiKeys } = db.stores;
    const keys = await Promise.all([insert(), insert(), insert()]);
    const ids = keys.map(({ id }) => id);
    // Each in an order of its own: writers that lock rows as they come would deadlock.
    await Promise.all(
      Array.from({ length: 30 }, (_item, round) =>
        apiKeys.addUses(
          (round % 2 === 0 ? ids : ids.toReversed()).map((id) => ({
            id,
            count: 2,
            lastUsedTime: NOW + ((round * 7) % 30),
          })),
        ),
      ),
    );
    await apiKeys.addUses([{ id: newId(), count: 1, lastUsedTime: NOW }]);
    await apiKeys.addUses([]);
    const found = (await page(ownerId, 100)).filter(({ id }) => ids.includes(id));
    expect(found.map(({ useCount, lastUsedTime }) => [useCount, lastUsedTime])).toEqual(
      ids.map(() => [60n, NOW + 29]),
    );
  });

  it('counts beyond what a number holds exactly', async () => {
    const key = await insert();
    const big = 2n ** 53n;
    await db.database.tables
      .updateTable('api_keys')
      .set({ use_count: String(big) })
      .where('id', '=', key.id)
      .execute();
    await db.stores.apiKeys.addUses([{ id: key.id, count: 1, lastUsedTime: NOW }]);
    expect((await db.stores.ownApiKeys.lockLive(key.id, ownerId, NOW))?.useCount).toBe(big + 1n);
  });
});
