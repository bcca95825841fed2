// The contract of SessionStore, on every database.

import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import type { Session } from '../../src/domain/session/session.ts';
import type {
  EndOthers,
  Renewal,
  Rotation,
  SessionPageQuery,
  Touch,
} from '../../src/domain/session/session-store.ts';
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

  it('distinguishes a session that asked for nothing from one that asked for no scope', async () => {
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
        session: {
          scopes: session.scopes,
          amr: session.amr,
          authTime: session.authTime,
          expireTime: NOW + 8 * DAY_MS,
          maxExpireTime: session.maxExpireTime,
        },
        user: { id: session.userId, role: 'user', tokenVersion: 1 },
      },
    ]);
    const found = await db.stores.sessions.findWithUser(session.id);
    // By the database's clock, not by the one of the node.
    expect((found?.readTime ?? 0) - (found?.session.rotateTime ?? 0)).toBeLessThan(60_000);
    expect(found?.session.rotateTime).toBeLessThanOrEqual(found?.readTime ?? 0);
    expect(await stored(session.id)).toMatchObject({
      generation: 2,
      lastSeenTime: NOW + 1_000,
      expireTime: NOW + 8 * DAY_MS,
      maxExpireTime: session.maxExpireTime,
      ipAddress: '198.51.100.7',
      userAgent: 'newer',
    });
  });

  it('dates a step by when it is made, alone or in a group, and not by when it was sent', async () => {
    const [alone, ...group] = await Promise.all([insert(), insert(), insert()]);
    const before = (await db.stores.sessions.findWithUser(alone.id))?.readTime ?? 0;
    await db.stores.sessions.rotate(rotation(alone, { now: NOW - 60_000 }));
    await Promise.all(group.map((session) => db.stores.sessions.rotate(rotation(session))));
    for (const { id } of [alone, ...group])
      expect((await stored(id))?.rotateTime).toBeGreaterThanOrEqual(Math.floor(before));
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
        lastSeenTime: NOW + index,
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

  it('is revoked once, by its owner, also when it has expired', async () => {
    const session = await insert();
    const expired = await insert({ expireTime: NOW });
    const { revoke } = db.stores.sessions;
    expect(await revoke(session.id, await insertUser(), NOW)).toBe(false);
    expect(await revoke(newId(), session.userId, NOW)).toBe(false);
    expect(await revoke(expired.id, expired.userId, NOW)).toBe(true);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => revoke(session.id, session.userId, NOW + 3)),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(await stored(session.id)).toMatchObject({ revokeTime: NOW + 3 });
    expect(await stored(expired.id)).toMatchObject({ revokeTime: NOW });
  });

  const NEW_SALT = Buffer.alloc(18, 7);
  const renew = (session: Session, change: Partial<Renewal> = {}) =>
    db.transact(({ sessions }) =>
      sessions.renew({
        sessionId: session.id,
        userId: session.userId,
        epoch: session.epoch,
        salt: NEW_SALT,
        endsTokens: true,
        proof: undefined,
        now: NOW + 1_000,
        expireTime: NOW + 8 * DAY_MS,
        origin: { ipAddress: '198.51.100.7', userAgent: 'newer' },
        ...change,
      }),
    );

  it('is renewed in the epoch that its owner has by then, under another salt where the old tokens end', async () => {
    const session = await insert();
    await db.stores.users.raiseEpochs(session.userId, NOW);
    const renewed = await renew(session);
    expect(renewed).toMatchObject({
      id: session.id,
      epoch: 2,
      generation: 2,
      amr: session.amr,
      authTime: session.authTime,
      lastSeenTime: NOW + 1_000,
      expireTime: NOW + 8 * DAY_MS,
      ipAddress: '198.51.100.7',
    });
    expect(Buffer.from(renewed?.salt ?? [])).toEqual(NEW_SALT);
    expect(await stored(session.id)).toEqual(renewed);
    expect(await db.stores.sessions.rotate(rotation(session))).toBeUndefined();
    expect(await db.stores.sessions.rotate(rotation(session, { generation: 2 }))).toBeUndefined();
  });

  it('keeps the salt of its tokens where they end as by a refresh, and notes what was proved; a cookie changes', async () => {
    const session = await insert({ amr: ['pwd'] });
    const proof = { authTime: NOW + 500, amr: ['pwd', 'otp', 'mfa'] };
    const renewed = await renew(session, { endsTokens: false, proof });
    expect(renewed).toMatchObject({ generation: 2, lastSeenTime: NOW + 1_000, ...proof });
    expect(Buffer.from(renewed?.salt ?? [])).toEqual(Buffer.from(session.salt));
    const cookie = await insert({ usesCookie: true });
    expect(Buffer.from((await renew(cookie, { endsTokens: false }))?.salt ?? [])).toEqual(NEW_SALT);
  });

  it("is not renewed when it is not alive, another's, or of another epoch; never beyond its greatest age", async () => {
    const session = await insert({ maxExpireTime: NOW + 2 * DAY_MS });
    expect(await renew(session, { userId: await insertUser() })).toBeUndefined();
    expect(await renew(session, { epoch: session.epoch + 1 })).toBeUndefined();
    expect(await renew(session, { now: NOW + 2 * DAY_MS })).toBeUndefined();
    expect(await renew(session)).toMatchObject({ expireTime: NOW + 2 * DAY_MS });
    await db.stores.sessions.revoke(session.id, session.userId, NOW);
    expect(await renew(session)).toBeUndefined();
  });

  const insertRevoked = async (change: Partial<Session> = {}) => {
    const session = await insert(change);
    expect(await db.stores.sessions.revoke(session.id, session.userId, NOW)).toBe(true);
    return session;
  };
  const ending = (kept: Session, change: Partial<EndOthers> = {}): EndOthers => ({
    userId: kept.userId,
    keptId: kept.id,
    amr: [],
    seenSince: NOW - MINUTE_MS,
    now: NOW,
    expireTime: NOW + MINUTE_MS,
    ...change,
  });
  const endOthers = (kept: Session, change: Partial<EndOthers> = {}) =>
    db.transact(({ sessions }) => sessions.endOthers(ending(kept, change)));
  const byId = (left: { id: string }, right: { id: string }) => left.id.localeCompare(right.id);

  it('ends all sessions of a user but one, and revokes those that may have or may get an access token', async () => {
    const userId = await insertUser();
    const kept = await insert({ userId });
    const lately = NOW - MINUTE_MS + 1;
    const others = [
      await insert({ userId }),
      await insert({ userId, createTime: NOW - 20 * DAY_MS, lastSeenTime: NOW - 20 * DAY_MS }),
      await insert({ userId, lastSeenTime: NOW - MINUTE_MS, expireTime: NOW + 1 }),
      await insert({ userId, lastSeenTime: lately, expireTime: NOW }),
    ];
    const dead = [
      await insert({ userId, lastSeenTime: NOW - MINUTE_MS, expireTime: NOW }),
      await insert({ userId, epoch: 0 }),
      await insertRevoked({ userId }),
    ];
    const stranger = await insert();
    const expected = others
      .map(({ id }) => ({ form: 'session', id, revokeTime: NOW, expireTime: NOW + MINUTE_MS }))
      .toSorted(byId);
    expect((await endOthers(kept))?.toSorted(byId)).toEqual(expected);
    const { revocations } = await db.stores.revocations.snapshot(NOW);
    const ids = new Set(others.map(({ id }) => id));
    expect(revocations.filter(({ id }) => ids.has(id)).toSorted(byId)).toEqual(expected);
    const revoked = revocations.map(({ id }) => id);
    for (const { id } of [kept, stranger, ...dead]) expect(revoked).not.toContain(id);
    for (const session of [kept, stranger])
      expect(await db.stores.sessions.rotate(rotation(session))).toBeDefined();
    for (const session of others) expect(await db.stores.sessions.rotate(rotation(session))).toBeUndefined();
    expect(await db.stores.users.findById(userId)).toMatchObject({
      sessionEpoch: 2,
      tokenVersion: 1,
      updateTime: NOW,
    });
  });

  it('carries the kept session over as it is, and no other, any number of times', async () => {
    const userId = await insertUser();
    const [kept, other] = [await insert({ userId }), await insert({ userId })];
    const before = await stored(kept.id);
    for (const epoch of [2, 3]) {
      // What has been ended once is not revoked again.
      expect(await endOthers(kept)).toHaveLength(epoch === 2 ? 1 : 0);
      expect(await stored(kept.id)).toEqual({ ...before, epoch });
      expect(await stored(other.id)).toMatchObject({ epoch: 1 });
    }
  });

  it('lets one of many sessions live that end each other at once', async () => {
    const userId = await insertUser();
    const rivals = await Promise.all(Array.from({ length: 20 }, () => insert({ userId })));
    const outcomes = await Promise.all(
      rivals.map((rival) =>
        db
          .transact(async ({ sessions }) => {
            if ((await sessions.endOthers(ending(rival))) === undefined) throw new Error('ended');
            return rival.id;
          })
          .catch((error: unknown) => String(error)),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === 'Error: ended')).toHaveLength(19);
    const live = await db.stores.sessions.listLive({
      userId,
      epoch: 2,
      now: NOW,
      before: undefined,
      limit: 20,
    });
    expect(live.map(({ id }) => id)).toEqual(outcomes.filter((outcome) => outcome !== 'Error: ended'));
    expect(await db.stores.users.findById(userId)).toMatchObject({ sessionEpoch: 2 });
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

  it('revokes also the sessions of cookies that were not seen for long', async () => {
    const userId = await insertUser();
    const kept = await insert({ userId, usesCookie: true });
    const idle = { userId, usesCookie: true, lastSeenTime: NOW - 2 * DAY_MS };
    const [live] = [await insert(idle), await insert({ ...idle, expireTime: NOW })];
    expect(await endOthers(kept)).toMatchObject([{ form: 'session', id: live.id }]);
    expect(await stored(kept.id)).toMatchObject({ epoch: 2 });
  });

  const touch = (session: Session, change: Partial<Touch> = {}) =>
    db.stores.sessions.touch({
      sessionId: session.id,
      now: NOW + MINUTE_MS,
      expireTime: NOW + 8 * DAY_MS,
      seenBefore: NOW,
      ...change,
    });

  it('moves the idle end of a cookie session on, and never beyond its last', async () => {
    const session = await insert({ usesCookie: true });
    await touch(session);
    const moved = { ...session, lastSeenTime: NOW + MINUTE_MS, expireTime: NOW + 8 * DAY_MS };
    expect(await stored(session.id)).toEqual({ ...moved, salt: anything });
    await touch(session, {
      now: NOW + 2 * MINUTE_MS,
      expireTime: NOW + 90 * DAY_MS,
      seenBefore: NOW + MINUTE_MS,
    });
    expect(await stored(session.id)).toMatchObject({ expireTime: session.maxExpireTime });
    await touch(session, { now: NOW + 3 * MINUTE_MS, expireTime: NOW, seenBefore: NOW + 2 * MINUTE_MS });
    expect(await stored(session.id)).toMatchObject({
      lastSeenTime: NOW + 3 * MINUTE_MS,
      expireTime: session.maxExpireTime,
    });
  });

  it('leaves sessions that are dead, seen of late, or no cookie sessions as they are, and rotates no cookie session', async () => {
    const others = [
      await insert(),
      await insert({ usesCookie: true, lastSeenTime: NOW + 1 }),
      await insert({ usesCookie: true, expireTime: NOW + MINUTE_MS }),
      await insert({ usesCookie: true, maxExpireTime: NOW + MINUTE_MS }),
      await insertRevoked({ usesCookie: true }),
    ];
    const before = await Promise.all(others.map(({ id }) => stored(id)));
    await Promise.all(others.map((session) => touch(session)));
    await touch(sampleSession(newId()));
    expect(await Promise.all(others.map(({ id }) => stored(id)))).toEqual(before);
    const cookie = await insert({ usesCookie: true });
    const two = [cookie, await insert({ usesCookie: true })];
    for (const rotated of [
      await db.stores.sessions.rotate(rotation(cookie)),
      ...(await Promise.all(two.map((session) => db.stores.sessions.rotate(rotation(session))))),
    ])
      expect(rotated).toBeUndefined();
  });

  it('notes many uses at once, of many sessions and of one, against their end', async () => {
    const sessions = await Promise.all(Array.from({ length: 50 }, () => insert({ usesCookie: true })));
    const [ended] = sessions;
    await Promise.all([
      ...sessions.map((session) => touch(session)),
      ...sessions.toReversed().map((session) => touch(session)),
      db.stores.sessions.revoke(ended?.id ?? '', ended?.userId ?? '', NOW + 1),
    ]);
    await Promise.all(sessions.map((session) => touch(session)));
    const [first, ...rest] = await Promise.all(sessions.map(({ id }) => stored(id)));
    expect(first).toMatchObject({ revokeTime: NOW + 1 });
    for (const session of rest) expect(session).toMatchObject({ lastSeenTime: NOW + MINUTE_MS });
  });

  it('adds to what the kept session has proved, each once', async () => {
    const kept = await insert({ amr: ['pwd', 'mfa'] });
    await endOthers(kept, { amr: ['otp', 'mfa'] });
    expect(await stored(kept.id)).toMatchObject({ amr: ['pwd', 'mfa', 'otp'], epoch: 2 });
    await endOthers(kept);
    expect(await stored(kept.id)).toMatchObject({ amr: ['pwd', 'mfa', 'otp'], epoch: 3 });
  });

  it('ends no others for a session that is not alive, or is another user’s', async () => {
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

  it('keeps a longer revocation of a session that it ends, and shows it to a reader in the middle of the stream', async () => {
    const userId = await insertUser();
    const [kept, seen] = [await insert({ userId }), await insert({ userId })];
    const longer = { form: 'session', id: seen.id, revokeTime: NOW - 5, expireTime: NOW + DAY_MS } as const;
    await db.stores.revocations.insert(longer);
    const { cursor } = await db.stores.revocations.snapshot(NOW);
    await endOthers(kept);
    const { revocations } = await db.stores.revocations.since(cursor);
    expect(revocations.filter(({ id }) => id === seen.id)).toEqual([longer]);
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
