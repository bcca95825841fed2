// The contract of PasswordChangeStore, on every database.

import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { MINUTE_MS, NOW, sampleSession, sampleUser } from '../support/samples.ts';

const TOKEN_LIFE_MS = 17 * MINUTE_MS;
const EXPIRE_TIME = NOW + TOKEN_LIFE_MS;

describeOnEveryDatabase('PasswordChangeStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });

  const account = async (change: Parameters<typeof sampleUser>[0] = {}) => {
    const user = sampleUser({ passwordHash: 'old', ...change });
    await db.stores.users.insert(user);
    return user;
  };
  const session = async (userId: string, change: Parameters<typeof sampleSession>[1] = {}) => {
    const made = sampleSession(userId, change);
    await db.stores.sessions.insert(made);
    return made;
  };
  const replace = (userId: string, sessionId: string, checkedHash = 'old', newHash = 'new') =>
    db.stores.passwordChanges.replace({ userId, sessionId, checkedHash, newHash, now: NOW });
  const revokeOthers = (userId: string, sessionId: string) =>
    db.stores.passwordChanges.revokeOthers({
      userId,
      sessionId,
      tokenLifeMs: TOKEN_LIFE_MS,
      expireTime: EXPIRE_TIME,
      now: NOW,
    });

  it('finds the account with its hash, and no deleted one', async () => {
    const user = await account();
    expect(await db.stores.passwordChanges.find(user.id)).toEqual({
      ...(await db.stores.users.findById(user.id)),
      passwordHash: 'old',
    });
    const bare = await account({ passwordHash: undefined });
    expect(await db.stores.passwordChanges.find(bare.id)).toMatchObject({ passwordHash: undefined });
    await db.database.tables
      .updateTable('users')
      .set({ status: 'deleted' })
      .where('id', '=', user.id)
      .execute();
    expect(await db.stores.passwordChanges.find(user.id)).toBeUndefined();
    expect(await db.stores.passwordChanges.find(newId())).toBeUndefined();
  });

  it('replaces the hash, and carries over one session and no other', async () => {
    const user = await account();
    const [own, other] = [await session(user.id), await session(user.id)];
    expect(await replace(user.id, own.id)).toMatchObject({
      id: user.id,
      tokenVersion: 1,
      sessionEpoch: 2,
      updateTime: NOW,
    });
    expect(await db.stores.passwordChanges.find(user.id)).toMatchObject({ passwordHash: 'new' });
    expect(await db.stores.sessions.findWithUser(own.id)).toMatchObject({
      session: { generation: 1, epoch: 2 },
    });
    expect(await db.stores.sessions.findWithUser(other.id)).toMatchObject({ session: { epoch: 1 } });
    // A second change carries it again.
    expect(await replace(user.id, own.id, 'new', 'newer')).toMatchObject({ sessionEpoch: 3 });
  });

  it('replaces nothing when another hash is stored, or the account is not active', async () => {
    const user = await account();
    const own = await session(user.id);
    expect(await replace(user.id, own.id, 'other')).toBe('conflict');
    const bare = await account({ passwordHash: undefined });
    expect(await replace(bare.id, (await session(bare.id)).id)).toBe('conflict');
    await db.database.tables
      .updateTable('users')
      .set({ status: 'suspended' })
      .where('id', '=', user.id)
      .execute();
    expect(await replace(user.id, own.id)).toBe('conflict');
    expect(await db.stores.passwordChanges.find(user.id)).toMatchObject({
      passwordHash: 'old',
      sessionEpoch: 1,
    });
    expect(await db.stores.sessions.findWithUser(own.id)).toMatchObject({ session: { epoch: 1 } });
  });

  it('tells when the calling session is none that is alive', async () => {
    const user = await account();
    const stranger = await account();
    const dead = [
      await session(user.id, { epoch: 0 }),
      await session(user.id, { expireTime: NOW }),
      await session(stranger.id),
    ];
    const revoked = await session(user.id);
    await db.stores.sessions.revoke(revoked.id, user.id, NOW - 1);
    for (const { id } of [...dead, revoked, { id: newId() }]) {
      const attempt = db.transact(async ({ passwordChanges }) => {
        const change = { userId: user.id, sessionId: id, checkedHash: 'old', newHash: 'new', now: NOW };
        throw new Error(JSON.stringify(await passwordChanges.replace(change)));
      });
      await expect(attempt).rejects.toThrow('"session_ended"');
    }
    expect(await db.stores.passwordChanges.find(user.id)).toMatchObject({
      passwordHash: 'old',
      sessionEpoch: 1,
    });
  });

  it('revokes the other sessions that may have or may get a token, and answers what it wrote', async () => {
    const user = await account();
    const own = await session(user.id);
    const old = NOW - 20 * 24 * 60 * MINUTE_MS;
    const hit = [
      await session(user.id),
      await session(user.id, { createTime: old, lastSeenTime: old }),
      await session(user.id, { expireTime: NOW, lastSeenTime: NOW - TOKEN_LIFE_MS + 1 }),
    ];
    await session(user.id, { expireTime: NOW, lastSeenTime: NOW - TOKEN_LIFE_MS });
    await session(user.id, { epoch: 0 });
    await session((await account()).id);
    const revoked = await session(user.id);
    await db.stores.sessions.revoke(revoked.id, user.id, NOW - 1);
    await replace(user.id, own.id);
    const written = await revokeOthers(user.id, own.id);
    const byId = (left: { id: string }, right: { id: string }) => left.id.localeCompare(right.id);
    const expected = hit
      .map(({ id }) => ({ form: 'session', id, revokeTime: NOW, expireTime: EXPIRE_TIME }))
      .toSorted(byId);
    expect([...written].toSorted(byId)).toEqual(expected);
    const { revocations } = await db.stores.revocations.snapshot(NOW);
    const ids = new Set(expected.map(({ id }) => id));
    expect(revocations.filter(({ id }) => ids.has(id)).toSorted(byId)).toEqual(expected);
    expect(revocations.map(({ id }) => id)).not.toContain(own.id);
  });

  it('writes revocations that a reader in the middle of the stream sees, also where one was before', async () => {
    const user = await account();
    const [own, other] = [await session(user.id), await session(user.id)];
    const longer = {
      form: 'session',
      id: other.id,
      revokeTime: NOW - 5,
      expireTime: EXPIRE_TIME + 5,
    } as const;
    await db.stores.revocations.insert(longer);
    const { cursor } = await db.stores.revocations.snapshot(NOW);
    await replace(user.id, own.id);
    await revokeOthers(user.id, own.id);
    const { revocations } = await db.stores.revocations.since(cursor);
    expect(revocations.filter(({ id }) => id === other.id)).toEqual([longer]);
  });

  it('lets one of many changes at once win', async () => {
    const user = await account();
    const own = await session(user.id);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        db.transact(({ passwordChanges }) =>
          passwordChanges.replace({
            userId: user.id,
            sessionId: own.id,
            checkedHash: 'old',
            newHash: `new ${index}`,
            now: NOW,
          }),
        ),
      ),
    );
    expect(outcomes.filter((outcome) => outcome !== 'conflict')).toHaveLength(1);
    expect(await db.stores.passwordChanges.find(user.id)).toMatchObject({ sessionEpoch: 2 });
  });
});
