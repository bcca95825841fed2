// The contract of SessionStore, on every database.

import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import type { Session } from '../../src/domain/session/session.ts';
import type { EndOthers, Rotation, SessionPageQuery } from '../../src/domain/session/session-store.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { DAY_MS, MINUTE_MS, NOW, sampleSession, sampleUser } from '../support/samples.ts';
import { anything } from '../support/matchers.ts';

describeOnEveryDatabase('SessionStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });

  const insertUser = async () => {
    const user = sampleUser();
    await db.stores.users.insert(user);
    return user.id;
  };
  const insert = async (change: Partial<Session> = {}) => {
    const session = sampleSession(change.userId ?? (await insertUser()), change);
    await db.stores.sessions.insert(session);
    return session;
  };
  const rotation = (session: Session, change: Partial<Rotation> = {}): Rotation => ({
    sessionId: session.id,
    generation: session.generation,
    salt: session.salt,
    now: NOW + 1_000,
    expireTime: NOW + 8 * DAY_MS,
    ipAddress: '198.51.100.7',
    userAgent: 'newer',
    ...change,
  });
  const stored = async (id: string) => (await db.stores.sessions.findWithUser(id))?.session;

  it('finds what was inserted, with its owner', async () => {
    const session = await insert({
      scopes: ['a:read', 'b"c,{}'],
      amr: ['pwd', 'otp'],
      deviceName: '李\'s "📱"',
    });
    const found = await db.stores.sessions.findWithUser(session.id);
    expect(found?.session).toEqual({ ...session, salt: anything });
    expect(Buffer.from(found?.session.salt ?? [])).toEqual(Buffer.from(session.salt));
    expect(found?.user).toEqual(await db.stores.users.findById(session.userId));
    expect(await db.stores.sessions.findWithUser(newId())).toBeUndefined();
  });

  it('tells a session that asked for nothing from one that asked for no scope', async () => {
    expect(await stored((await insert({ scopes: undefined })).id)).toHaveProperty('scopes', undefined);
    expect(await stored((await insert({ scopes: [] })).id)).toHaveProperty('scopes', []);
  });

  it('rotates once for 100 calls at once from one generation', async () => {
    const session = await insert();
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, () => db.stores.sessions.rotate(rotation(session))),
    );
    expect(outcomes.filter((outcome) => outcome !== undefined)).toEqual([
      {
        session: { scopes: session.scopes, amr: session.amr, authTime: session.authTime },
        user: { id: session.userId, role: 'user', tokenVersion: 1 },
      },
    ]);
    expect(await stored(session.id)).toMatchObject({
      generation: 2,
      rotateTime: NOW + 1_000,
      lastSeenTime: NOW + 1_000,
      expireTime: NOW + 8 * DAY_MS,
      maxExpireTime: session.maxExpireTime,
      ipAddress: '198.51.100.7',
      userAgent: 'newer',
    });
  });

  it('rotates from the current generation alone', async () => {
    const session = await insert({ generation: 5 });
    for (const generation of [4, 6, 0, -1]) {
      expect(await db.stores.sessions.rotate(rotation(session, { generation }))).toBeUndefined();
    }
    expect(await db.stores.sessions.rotate(rotation(session, { sessionId: newId() }))).toBeUndefined();
    const salt = new Uint8Array(session.salt.length);
    expect(await db.stores.sessions.rotate(rotation(session, { salt }))).toBeUndefined();
    expect(await stored(session.id)).toMatchObject({ generation: 5 });
  });

  it('rotates many sessions at once, each by its own step', async () => {
    const sessions = await Promise.all(
      Array.from({ length: 50 }, (_, index) => insert({ amr: [`a${index}`] })),
    );
    const stale = await insert({ generation: 3 });
    const steps = [...sessions, { ...stale, generation: 2 }].map((session, index) =>
      rotation(session, { now: NOW + index, userAgent: `agent ${index}` }),
    );
    const outcomes = await Promise.all(steps.map((step) => db.stores.sessions.rotate(step)));
    expect(outcomes.map((outcome) => outcome?.user.id)).toEqual([
      ...sessions.map(({ userId }) => userId),
      undefined,
    ]);
    for (const [index, session] of sessions.entries()) {
      expect(outcomes[index]?.session.amr).toEqual([`a${index}`]);
      expect(await stored(session.id)).toMatchObject({
        generation: 2,
        rotateTime: NOW + index,
        userAgent: `agent ${index}`,
      });
    }
    expect(await stored(stale.id)).toMatchObject({ generation: 3 });
  });

  it('never lets a session live on past its last day, nor come back after it', async () => {
    const session = await insert({ maxExpireTime: NOW + 2_000 });
    expect(await db.stores.sessions.rotate(rotation(session))).toBeDefined();
    expect(await stored(session.id)).toMatchObject({ expireTime: NOW + 2_000 });
    for (const dead of [await insert({ expireTime: NOW }), await insert({ maxExpireTime: NOW })])
      expect(await db.stores.sessions.rotate(rotation(dead))).toBeUndefined();
  });

  it('does not rotate after a revocation, a raised epoch or a suspension', async () => {
    const revoked = await insert();
    await db.stores.sessions.revoke(revoked.id, revoked.userId, NOW);
    const outdated = await insert();
    await db.stores.users.raiseEpochs(outdated.userId, NOW);
    const suspended = await insert();
    await db.database.tables
      .updateTable('users')
      .set({ status: 'suspended' })
      .where('id', '=', suspended.userId)
      .execute();
    for (const session of [revoked, outdated, suspended]) {
      expect(await db.stores.sessions.rotate(rotation(session))).toBeUndefined();
      expect(await stored(session.id)).toMatchObject({ generation: 1 });
    }
  });

  it('either rotates or revokes first, and never rotates a revoked session', async () => {
    for (let round = 0; round < 20; round += 1) {
      const session = await insert();
      const [rotated, revoked] = await Promise.all([
        db.stores.sessions.rotate(rotation(session)),
        db.stores.sessions.revoke(session.id, session.userId, NOW),
      ]);
      expect(revoked).toBe(true);
      expect(await stored(session.id)).toMatchObject({ generation: rotated ? 2 : 1, revokeTime: NOW });
    }
  });

  it('is revoked once, by its owner, while it lives', async () => {
    const session = await insert();
    const expired = await insert({ expireTime: NOW });
    const { revoke } = db.stores.sessions;
    expect(await revoke(session.id, await insertUser(), NOW)).toBe(false);
    expect(await revoke(newId(), session.userId, NOW)).toBe(false);
    expect(await revoke(expired.id, expired.userId, NOW)).toBe(false);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => revoke(session.id, session.userId, NOW + 3)),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(await stored(session.id)).toMatchObject({ revokeTime: NOW + 3 });
    expect(await stored(expired.id)).toMatchObject({ revokeTime: undefined });
  });

  const insertRevoked = async (change: Partial<Session> = {}) => {
    const session = await insert(change);
    expect(await db.stores.sessions.revoke(session.id, session.userId, NOW)).toBe(true);
    return session;
  };
  const endOthers = (kept: Session, change: Partial<EndOthers> = {}) =>
    db.transact(({ sessions }) =>
      sessions.endOthers({
        userId: kept.userId,
        keptId: kept.id,
        amr: [],
        seenSince: NOW - MINUTE_MS,
        now: NOW,
        expireTime: NOW + MINUTE_MS,
        ...change,
      }),
    );

  it('ends all sessions of a user but one, and revokes those that were seen lately', async () => {
    const userId = await insertUser();
    const [kept, seen, idle] = [
      await insert({ userId }),
      await insert({ userId }),
      await insert({ userId, lastSeenTime: NOW - MINUTE_MS }),
    ];
    const dead = [await insert({ userId, epoch: 0 }), await insertRevoked({ userId })];
    const stranger = await insert();
    expect(await endOthers(kept)).toEqual([
      { form: 'session', id: seen.id, revokeTime: NOW, expireTime: NOW + MINUTE_MS },
    ]);
    const { revocations } = await db.stores.revocations.snapshot(NOW);
    const revoked = revocations.map(({ id }) => id);
    expect(revoked).toContain(seen.id);
    for (const { id } of [kept, idle, stranger, ...dead]) expect(revoked).not.toContain(id);
    for (const session of [kept, stranger])
      expect(await db.stores.sessions.rotate(rotation(session))).toBeDefined();
    for (const session of [seen, idle])
      expect(await db.stores.sessions.rotate(rotation(session))).toBeUndefined();
    expect(await db.stores.users.findById(userId)).toMatchObject({ sessionEpoch: 2, tokenVersion: 1 });
  });

  it('lets no session rotate that is ended by a transaction still open', async () => {
    const userId = await insertUser();
    const [kept, idle] = [await insert({ userId }), await insert({ userId, lastSeenTime: NOW - DAY_MS })];
    const input = { userId, keptId: kept.id, amr: [], seenSince: NOW, now: NOW, expireTime: NOW + MINUTE_MS };
    const rotating = await db.transact(async ({ sessions, users }) => {
      await sessions.endOthers(input);
      const rotated = db.stores.sessions.rotate(rotation(idle));
      // Round trips enough for a step that waits for nobody.
      for (let trip = 0; trip < 50; trip += 1) await users.findById(userId);
      return { rotated };
    });
    expect(await rotating.rotated).toBeUndefined();
  });

  it('adds to what the kept session has proved, each once', async () => {
    const kept = await insert({ amr: ['pwd', 'mfa'] });
    await endOthers(kept, { amr: ['otp', 'mfa'] });
    expect(await stored(kept.id)).toMatchObject({ amr: ['pwd', 'mfa', 'otp'], epoch: 2 });
    await endOthers(kept);
    expect(await stored(kept.id)).toMatchObject({ amr: ['pwd', 'mfa', 'otp'], epoch: 3 });
  });

  it('ends no others for a session that is not alive, or is of somebody else', async () => {
    const others = [
      await insertRevoked(),
      await insert({ expireTime: NOW }),
      await insert({ epoch: 0 }),
      { ...(await insert()), userId: await insertUser() },
      sampleSession(await insertUser()),
      sampleSession(newId()),
    ];
    for (const session of others) expect(await endOthers(session)).toBeUndefined();
  });

  it('keeps a longer revocation of a session that it ends', async () => {
    const userId = await insertUser();
    const [kept, seen] = [await insert({ userId }), await insert({ userId })];
    const longer = { form: 'session', id: seen.id, revokeTime: NOW, expireTime: NOW + DAY_MS } as const;
    await db.stores.revocations.insert(longer);
    await endOthers(kept);
    const { revocations } = await db.stores.revocations.snapshot(NOW);
    expect(revocations).toContainEqual(longer);
  });

  it('lists live sessions newest first, page by page, each once', async () => {
    const userId = await insertUser();
    const live: Session[] = [];
    // Three at each moment, so that pages end in the middle of a tie.
    for (let index = 0; index < 12; index += 1) {
      live.push(await insert({ userId, createTime: NOW + Math.floor(index / 3) }));
    }
    const revoked = await insert({ userId });
    await db.stores.sessions.revoke(revoked.id, userId, NOW);
    await insert({ userId, expireTime: NOW });
    await insert({ userId, epoch: 0 });
    await insert();
    const expected = live
      .toSorted((a, b) => b.createTime - a.createTime || (a.id < b.id ? 1 : -1))
      .map(({ id }) => id);
    for (const limit of [1, 2, 5, 12, 100]) {
      const listed: string[] = [];
      let before: SessionPageQuery['before'];
      for (;;) {
        const page = await db.stores.sessions.listLive({ userId, epoch: 1, now: NOW, before, limit });
        if (page.length === 0) break;
        expect(page.length).toBeLessThanOrEqual(limit);
        listed.push(...page.map(({ id }) => id));
        before = page.at(-1);
      }
      expect(listed).toEqual(expected);
    }
  });
});
