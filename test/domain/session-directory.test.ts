// The cache of cookie sessions: never stale, and no write for each use.

import { describe, expect, it } from 'vitest';
import { BUILT_IN_ROLES, RoleDirectory } from '../../src/domain/access/role.ts';
import type { User } from '../../src/domain/account/user.ts';
import { DomainError } from '../../src/domain/errors.ts';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import type { RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import { SESSION_CACHE_MS, SessionDirectory } from '../../src/domain/session/session-directory.ts';
import type { Touch } from '../../src/domain/session/session-store.ts';
import type { Session } from '../../src/domain/session/session.ts';
import { assessSessionCookie } from '../../src/domain/token/assess-session-cookie.ts';
import type { AssessDeps } from '../../src/domain/token/assess-token.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DAY_MS, MINUTE_MS, NOW, sampleOwner, sampleSession } from '../support/samples.ts';

const OWNER = sampleOwner('user-1');

function world(ttlMs = 7 * DAY_MS) {
  const clock = new FakeClock(NOW);
  const revocationIndex = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
  revocationIndex.markFresh(NOW);
  const roleDirectory = new RoleDirectory();
  roleDirectory.replace(BUILT_IN_ROLES);
  const row: { session: Session; user: User } = {
    // By such an id a revocation is pruned in the millisecond in which it expires, not with others of its minute.
    session: sampleSession(OWNER.id, { id: 'session-1', usesCookie: true, expireTime: NOW + ttlMs }),
    user: OWNER,
  };
  const touches: Touch[] = [];
  const failures: unknown[] = [];
  const store = {
    reads: 0,
    /** Runs between the look at the row and its arrival. */
    meanwhile: () => {},
    touchFails: false,
    isAway: false,
  };
  const sessionDirectory = new SessionDirectory({
    sessions: {
      findWithUser: async () => {
        store.reads += 1;
        if (store.isAway) throw new DomainError('STORAGE_UNAVAILABLE', 'away');
        const found = { ...row, readTime: clock.now() };
        const { meanwhile } = store;
        store.meanwhile = () => {};
        meanwhile();
        return found;
      },
      touch: async (touch) => {
        touches.push(touch);
        if (store.touchFails) throw new Error('away');
      },
    },
    sessionCookieCodec: {
      read: (text) => {
        if (text === 'forged') return undefined;
        const salt = text === 'another row' ? new Uint8Array(18) : row.session.salt;
        return { sessionId: row.session.id, salt };
      },
    },
    tokenPolicy: { refreshTokenTtlMs: ttlMs },
    revocationIndex,
    clock,
    outageGraceMs: MINUTE_MS,
    onTouchFailure: (error) => failures.push(error),
  });
  // What is asked of access tokens and keys is not asked here.
  const deps = { clock, revocationIndex, roleDirectory, sessionDirectory } as unknown as AssessDeps;
  const assess = async (text = 'cookie') => {
    const verdict = await assessSessionCookie(deps, text);
    return verdict.active ? 'active' : verdict.reason;
  };
  const pass = (ms: number) => {
    clock.advance(ms);
    revocationIndex.markFresh(clock.now());
  };
  const revoke = (target: RevocationTarget) =>
    revocationIndex.apply([revocation(target, clock.now(), 900_000)]);
  /** Revokes, and deletes the revocation from the index as is done when no token can match it any more. */
  const revokeAndPrune = (target: RevocationTarget) => {
    revocationIndex.apply([{ ...revocation(target, clock.now(), 0), expireTime: clock.now() + 1 }]);
    pass(1);
    revocationIndex.prune();
    expect(revocationIndex.size).toBe(0);
  };
  return { row, store, touches, failures, sessionDirectory, assess, revoke, revokeAndPrune, pass, deps };
}

describe('the directory of sessions', () => {
  it('reads a session once in a while, and a forged cookie never', async () => {
    const { store, assess, pass } = world();
    for (let call = 0; call < 10; call += 1) expect(await assess()).toBe('active');
    expect(store.reads).toBe(1);
    expect(await assess('forged')).toBe('invalid');
    expect(store.reads).toBe(1);
    // Genuine, and not the cached session's: the row may have been renewed since.
    expect(await assess('another row')).toBe('invalid');
    expect(store.reads).toBe(2);
    pass(SESSION_CACHE_MS / 2);
    await assess();
    expect(store.reads).toBe(2);
    pass(SESSION_CACHE_MS / 2);
    await assess();
    expect(store.reads).toBe(3);
  });

  it('goes on while the database cannot be asked, for the grace and no longer', async () => {
    const { store, assess, pass } = world();
    expect(await assess()).toBe('active');
    store.isAway = true;
    pass(SESSION_CACHE_MS);
    expect(await assess()).toBe('active');
    pass(MINUTE_MS - 1);
    expect(await assess()).toBe('active');
    pass(1);
    await expect(assess()).rejects.toMatchObject({ reason: 'STORAGE_UNAVAILABLE' });
  });

  it('refuses what was revoked while the database cannot be asked, also when the index has pruned it', async () => {
    const bySession = world();
    await bySession.assess();
    bySession.store.isAway = true;
    bySession.revokeAndPrune({ form: 'session', id: bySession.row.session.id });
    expect(await bySession.assess()).toBe('revoked');

    const bySubject = world();
    await bySubject.assess();
    bySubject.store.isAway = true;
    bySubject.revokeAndPrune({ form: 'subject', id: OWNER.id, minVersion: 2 });
    await expect(bySubject.assess()).rejects.toMatchObject({ reason: 'STORAGE_UNAVAILABLE' });
  });

  it('answers at once on a hit', async () => {
    const { assess, deps } = world();
    await assess();
    expect(assessSessionCookie(deps, 'cookie')).toMatchObject({ active: true });
  });

  it('knows no session that uses tokens, nor one of another salt', async () => {
    const { row, assess } = world();
    row.session = { ...row.session, usesCookie: false };
    expect(await assess()).toBe('invalid');
    row.session = { ...row.session, usesCookie: true };
    expect(await assess('another row')).toBe('invalid');
  });

  it('prefers a revocation to its cache', async () => {
    const bySession = world();
    expect(await bySession.assess()).toBe('active');
    bySession.revoke({ form: 'session', id: bySession.row.session.id });
    expect(await bySession.assess()).toBe('revoked');
    expect(bySession.store.reads).toBe(1);

    const bySubject = world();
    expect(await bySubject.assess()).toBe('active');
    bySubject.row.user = { ...OWNER, tokenVersion: 2, sessionEpoch: 2 };
    bySubject.revoke({ form: 'subject', id: OWNER.id, minVersion: 2 });
    expect(await bySubject.assess()).toBe('revoked');
    expect(bySubject.store.reads).toBe(2);
  });

  it('reads again under a new epoch, and goes on when the session does (a new role)', async () => {
    const { row, store, assess, revoke } = world();
    await assess();
    row.user = { ...OWNER, tokenVersion: 2 };
    revoke({ form: 'subject', id: OWNER.id, minVersion: 2 });
    expect(await assess()).toBe('active');
    expect(await assess()).toBe('active');
    expect(store.reads).toBe(2);
  });

  it('does not end a session whose owner got a new role while the row was on its way', async () => {
    const { row, store, assess, revoke } = world();
    store.meanwhile = () => {
      row.user = { ...OWNER, tokenVersion: 2 };
      revoke({ form: 'subject', id: OWNER.id, minVersion: 2 });
    };
    expect(await assess()).toBe('active');
    expect(store.reads).toBe(2);
  });

  it('is not fooled by a row that was on its way when its owner logged out everywhere', async () => {
    const { row, store, assess, revoke } = world();
    store.meanwhile = () => {
      row.user = { ...OWNER, tokenVersion: 2, sessionEpoch: 2 };
      revoke({ form: 'subject', id: OWNER.id, minVersion: 2 });
    };
    expect(await assess()).toBe('revoked');
    expect(await assess()).toBe('revoked');
    const other = world();
    other.store.meanwhile = () => other.revoke({ form: 'session', id: other.row.session.id });
    expect(await other.assess()).toBe('revoked');
  });

  it.each([
    ['revoked', { revokeTime: NOW }, {}],
    ['revoked', { epoch: 0 }, {}],
    ['revoked', {}, { status: 'suspended' }],
    ['revoked', {}, { status: 'deleted' }],
    ['expired', { expireTime: NOW }, {}],
    ['expired', { maxExpireTime: NOW }, {}],
    ['active', { expireTime: NOW + 1, maxExpireTime: NOW + 1 }, {}],
  ] as const)('finds it %s with %j and an owner with %j', async (expected, ofSession, ofUser) => {
    const { row, assess, touches } = world();
    row.session = { ...row.session, lastSeenTime: NOW - DAY_MS, ...ofSession };
    row.user = { ...row.user, ...ofUser };
    expect(await assess()).toBe(expected);
    expect(touches).toHaveLength(expected === 'active' ? 1 : 0);
  });

  it('notes a use once a minute, however many there are', async () => {
    const { row, assess, touches, pass } = world();
    for (let call = 0; call < 5; call += 1) await assess();
    expect(touches).toEqual([]);
    for (let second = 0; second < 180; second += 1) {
      pass(1_000);
      await assess();
      const [last] = touches.slice(-1);
      if (last !== undefined)
        row.session = { ...row.session, lastSeenTime: last.now, expireTime: last.expireTime };
    }
    expect(touches.map(({ now }) => now - NOW)).toEqual([MINUTE_MS, 2 * MINUTE_MS, 3 * MINUTE_MS]);
    expect(touches[0]).toEqual({
      sessionId: row.session.id,
      now: NOW + MINUTE_MS,
      expireTime: NOW + MINUTE_MS + 7 * DAY_MS,
      seenBefore: NOW,
    });
  });

  it('keeps a very short session going while it is used', async () => {
    const { row, assess, touches, pass } = world(10_000);
    for (let second = 0; second < 60; second += 1) {
      pass(1_000);
      expect(await assess()).toBe('active');
      const [last] = touches.slice(-1);
      if (last !== undefined)
        row.session = { ...row.session, lastSeenTime: last.now, expireTime: last.expireTime };
    }
    pass(10_000);
    expect(await assess()).toBe('expired');
  });

  it('answers although a use cannot be noted, and tries again', async () => {
    const { store, assess, touches, failures, sessionDirectory, pass } = world();
    store.touchFails = true;
    pass(MINUTE_MS);
    expect(await assess()).toBe('active');
    await sessionDirectory.idle();
    expect(failures).toHaveLength(1);
    pass(SESSION_CACHE_MS);
    store.touchFails = false;
    expect(await assess()).toBe('active');
    await sessionDirectory.idle();
    expect([touches.length, failures.length]).toEqual([2, 1]);
  });
});
