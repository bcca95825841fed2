// Holds registration, login, refresh, theft detection and revocation over the embedded database.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { actionTokenCodec } from '../../src/crypto/tokens/action-token-codec.ts';
import { deviceTokenCodec } from '../../src/crypto/tokens/device-token-codec.ts';
import { newId } from '../../src/crypto/ids.ts';
import { refreshTokenCodec } from '../../src/crypto/tokens/refresh-token-codec.ts';
import { sessionCookieCodec } from '../../src/crypto/tokens/session-cookie-codec.ts';
import { BUILT_IN_ROLES, RoleDirectory } from '../../src/domain/access/role.ts';
import { breachCheckOff } from '../../src/domain/password/breached-passwords.ts';
import { register } from '../../src/domain/account/register.ts';
import { DomainError } from '../../src/domain/errors.ts';
import { logoutAll, revokeSession } from '../../src/domain/session/end-session.ts';
import { login } from '../../src/domain/session/login.ts';
import { refresh } from '../../src/domain/session/refresh.ts';
import { UnansweredRefreshes } from '../../src/domain/session/unanswered-refreshes.ts';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import type { AccessTokenClaims } from '../../src/domain/token/access-token.ts';
import { openEmbeddedStores, type TestStores } from '../support/databases.ts';
import { ageRotation } from '../support/age-rotation.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DAY_MS, LOCKOUT_RULE, NOW, ORIGIN, sampleUser } from '../support/samples.ts';
import { anyString, refusal } from '../support/matchers.ts';

const PASSWORD = 'Vex7!quartz-Loom';
const GRACE_MS = 10_000;

function world(db: TestStores) {
  const clock = new FakeClock(NOW);
  const revocationIndex = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
  const roleDirectory = new RoleDirectory();
  roleDirectory.replace(BUILT_IN_ROLES);
  const checked: (string | undefined)[] = [];
  return {
    ...db.stores,
    clock,
    newId,
    randomBytes,
    checked,
    revocationIndex,
    roleDirectory,
    transact: db.transact,
    // Access tokens are read back as the claims that went in.
    accessTokenSigner: { sign: async (claims: AccessTokenClaims) => JSON.stringify(claims) },
    refreshTokenCodec: refreshTokenCodec(randomBytes(32)),
    sessionCookieCodec: sessionCookieCodec(randomBytes(32)),
    revocationChannel: { publish: async () => undefined },
    onChannelFailure: () => undefined,
    unansweredRefreshes: new UnansweredRefreshes(),
    stopwatch: () => performance.now(),
    passwordHasher: {
      admit: <Result>(work: () => Promise<Result>) => work(),
      hash: async (password: string) => `new ${password}`,
      verify: async (hash: string | undefined, password: string) => {
        checked.push(hash);
        return hash !== undefined && hash.endsWith(` ${password}`);
      },
      needsRehash: (hash: string) => hash.startsWith('old'),
    },
    passwordPolicy: 'strict' as const,
    commonPasswords: new Map<string, number>(),
    breachedPasswords: breachCheckOff,
    registrationMode: 'private' as 'private' | 'open' | 'closed',
    requireVerifiedEmail: false,
    rateLimiter: { consume: async () => undefined },
    actionTokenCodec,
    deviceTokenCodec: deviceTokenCodec(randomBytes(32)),
    deviceTokenTtlMs: DAY_MS,
    lockoutRule: LOCKOUT_RULE,
    tokenPolicy: {
      audience: 'api',
      accessTokenTtlMs: 900_000,
      refreshTokenTtlMs: 7 * DAY_MS,
      sessionMaxAgeMs: 30 * DAY_MS,
      refreshGraceMs: GRACE_MS,
    },
  };
}

describe('sessions', () => {
  let db: TestStores;
  let deps: ReturnType<typeof world>;
  beforeAll(async () => {
    db = await openEmbeddedStores();
  });
  afterAll(() => db.database.close());
  beforeEach(() => {
    deps = world(db);
  });

  const account = async (change: Parameters<typeof sampleUser>[0] = {}) => {
    const user = sampleUser({ passwordHash: `new ${PASSWORD}`, ...change });
    await db.stores.users.insert(user);
    return user;
  };
  const loginAs = async (identifier: string, password = PASSWORD, scopes: string[] = []) => {
    const outcome = await login(deps, {
      identifier,
      password,
      scopes,
      deviceName: 'laptop',
      useCookie: false,
      origin: ORIGIN,
    });
    if ('tokens' in outcome) return outcome.tokens;
    throw new Error('a second factor is asked');
  };
  const refreshWith = (refreshToken: string, scopes: string[] = []) =>
    refresh(deps, { refreshToken, scopes, origin: ORIGIN });
  const claimsOf = (token: string) => JSON.parse(token) as AccessTokenClaims;
  const eventsOf = (kind: string, target: string) =>
    db.database.tables
      .selectFrom('audit_events')
      .selectAll()
      .where('kind', '=', kind)
      .where('target_id', '=', target)
      .execute();
  const emailsTo = async (address: string) =>
    (
      await db.database.tables
        .selectFrom('outbox_mails')
        .selectAll()
        .where('recipient', '=', address)
        .execute()
    ).map(({ letter }) => letter['template']);

  it('open with the right password, by address or name in any case', async () => {
    const user = await account();
    for (const identifier of [user.email.text, user.email.key.toUpperCase(), user.username?.text ?? '']) {
      const tokens = await loginAs(identifier);
      expect(claimsOf(tokens.accessToken)).toMatchObject({
        subjectId: user.id,
        sessionId: tokens.sessionId,
        role: 'user',
        version: 1,
        audience: ['api'],
        scopes: ['account:read', 'account:write'],
        expiresAt: NOW + 900_000,
      });
      expect(await eventsOf('session.login', tokens.sessionId)).toHaveLength(1);
    }
  });

  it('carry what was asked for, as far as the role grants it', async () => {
    const user = await account();
    const tokens = await loginAs(user.email.key, PASSWORD, ['account:read', 'users:write']);
    expect(tokens.scopes).toEqual(['account:read']);
    expect((await refreshWith(tokens.refreshToken)).scopes).toEqual(['account:read']);
    const nothing = await loginAs(user.email.key, PASSWORD, ['users:write']);
    expect(nothing.scopes).toEqual([]);
  });

  it('do not open for an unknown identifier, which costs a check all the same', async () => {
    const user = await account();
    const bare = await account({ passwordHash: undefined });
    await expect(loginAs(user.email.key, 'wrong')).rejects.toEqual(refusal('INVALID_CREDENTIALS'));
    await expect(loginAs('nobody@example.com')).rejects.toEqual(refusal('INVALID_CREDENTIALS'));
    await expect(loginAs(bare.email.key, '')).rejects.toEqual(refusal('INVALID_CREDENTIALS'));
    // Each costs another check, of the password that the account may have had before.
    const checks = [user.passwordHash, undefined, undefined].flatMap((hash) => [hash, undefined]);
    expect(deps.checked).toEqual(checks);
    expect(await eventsOf('session.login', user.id)).toMatchObject([{ outcome: 'refused' }]);
  });

  it('report a suspension or an unproved address only after the right password', async () => {
    const user = await account();
    deps.requireVerifiedEmail = true;
    await expect(loginAs(user.email.key)).rejects.toEqual(refusal('EMAIL_NOT_VERIFIED'));
    await db.database.tables
      .updateTable('users')
      .set({ status: 'suspended' })
      .where('id', '=', user.id)
      .execute();
    await expect(loginAs(user.email.key)).rejects.toEqual(refusal('ACCOUNT_SUSPENDED'));
    await expect(loginAs(user.email.key, 'wrong')).rejects.toEqual(refusal('INVALID_CREDENTIALS'));
  });

  it('renew a hash that is behind', async () => {
    const user = await account({ passwordHash: `old ${PASSWORD}` });
    await loginAs(user.email.key);
    expect(await deps.users.findByIdentifier(user.email.key)).toMatchObject({
      passwordHash: `new ${PASSWORD}`,
    });
  });

  it('rotate: 100 refreshes of one token at once get one and the same successor', async () => {
    const { refreshToken } = await loginAs((await account()).email.key);
    const sets = await Promise.all(Array.from({ length: 100 }, () => refreshWith(refreshToken)));
    const successors = new Set(sets.map((tokens) => tokens.refreshToken));
    expect(successors.size).toBe(1);
    expect(successors).not.toContain(refreshToken);
    const next = await refreshWith([...successors][0] ?? '');
    expect(successors).not.toContain(next.refreshToken);
  });

  it('answer a lost reply within the grace, and call it theft after', async () => {
    const user = await account();
    const { refreshToken, sessionId } = await loginAs(user.email.key);
    const first = await refreshWith(refreshToken);
    // The clock of the node has no say in it.
    for (const stepMs of [DAY_MS, -2 * DAY_MS, DAY_MS]) {
      deps.clock.advance(stepMs);
      expect((await refreshWith(refreshToken)).refreshToken).toBe(first.refreshToken);
    }
    await ageRotation(db.database, sessionId, GRACE_MS / 2);
    expect((await refreshWith(refreshToken)).refreshToken).toBe(first.refreshToken);
    await ageRotation(db.database, sessionId, GRACE_MS / 2 + 1);
    const thieves = await Promise.allSettled([refreshWith(refreshToken), refreshWith(refreshToken)]);
    for (const thief of thieves) expect(thief.status).toBe('rejected');
    expect(thieves).toContainEqual({ status: 'rejected', reason: refusal('REFRESH_TOKEN_REUSED') });
    await expect(refreshWith(first.refreshToken)).rejects.toEqual(refusal('TOKEN_REVOKED'));
    expect(deps.revocationIndex.isSessionRevoked(sessionId)).toBe(true);
    expect(await eventsOf('session.refresh_reuse', sessionId)).toHaveLength(1);
    expect(await emailsTo(user.email.text)).toEqual(['session_theft']);
  });

  it('take a refresh whose answer was lost with the database for a retry, however long that was away', async () => {
    const { refreshToken, sessionId } = await loginAs((await account()).email.key);
    const away = new DomainError('STORAGE_UNAVAILABLE', 'away');
    // The step is made, and its answer is lost.
    const rotate: typeof deps.sessions.rotate = async (step) => {
      await deps.sessions.rotate(step);
      throw away;
    };
    const input = { refreshToken, scopes: [], origin: ORIGIN };
    const hung = { ...deps, sessions: { ...deps.sessions, rotate } };
    for (let attempt = 0; attempt < 3; attempt += 1)
      await expect(refresh(hung, input)).rejects.toEqual(refusal('STORAGE_UNAVAILABLE'));
    await ageRotation(db.database, sessionId, 6 * GRACE_MS);
    deps.stopwatch = () => performance.now() + 6 * GRACE_MS;
    const { refreshToken: successor } = await refreshWith(refreshToken);
    expect(successor).not.toBe(refreshToken);
    expect(await eventsOf('session.refresh_reuse', sessionId)).toEqual([]);
    // It has its answer now: from here on the grace counts.
    await expect(refreshWith(refreshToken)).rejects.toEqual(refusal('REFRESH_TOKEN_REUSED'));
  });

  it('call it theft when the first attempt came after the grace, though the database was away since', async () => {
    const { refreshToken, sessionId } = await loginAs((await account()).email.key);
    await refreshWith(refreshToken);
    await ageRotation(db.database, sessionId, GRACE_MS + 1);
    const rotate = () => Promise.reject(new DomainError('STORAGE_UNAVAILABLE', 'away'));
    const hung = { ...deps, sessions: { ...deps.sessions, rotate } };
    const input = { refreshToken, scopes: [], origin: ORIGIN };
    await expect(refresh(hung, input)).rejects.toEqual(refusal('STORAGE_UNAVAILABLE'));
    await expect(refreshWith(refreshToken)).rejects.toEqual(refusal('REFRESH_TOKEN_REUSED'));
  });

  it('call a token two steps old theft, also within the grace', async () => {
    const { refreshToken } = await loginAs((await account()).email.key);
    const second = await refreshWith((await refreshWith(refreshToken)).refreshToken);
    await expect(refreshWith(refreshToken)).rejects.toEqual(refusal('REFRESH_TOKEN_REUSED'));
    await expect(refreshWith(second.refreshToken)).rejects.toEqual(refusal('TOKEN_REVOKED'));
  });

  it('do not suffer from a forged token', async () => {
    const { refreshToken, sessionId } = await loginAs((await account()).email.key);
    const salt = (await deps.sessions.findWithUser(sessionId))?.session.salt ?? Buffer.of();
    const otherKey = refreshTokenCodec(randomBytes(32));
    const forged = [
      otherKey.write({ sessionId, generation: 0, salt }),
      otherKey.write({ sessionId, generation: 1, salt }),
      deps.refreshTokenCodec.write({ sessionId, generation: 2, salt }),
      deps.refreshTokenCodec.write({ sessionId: newId(), generation: 1, salt }),
      deps.refreshTokenCodec.write({ sessionId, generation: 1, salt: randomBytes(salt.length) }),
      'lkrt_',
      '',
    ];
    for (const token of forged) await expect(refreshWith(token)).rejects.toEqual(refusal('TOKEN_INVALID'));
    expect(await refreshWith(refreshToken)).toHaveProperty('refreshToken');
  });

  it('end after 7 days without use, and after 30 with it', async () => {
    const idle = await loginAs((await account()).email.key);
    let { refreshToken } = await loginAs((await account()).email.key);
    for (let day = 0; day < 29; day += 1) {
      deps.clock.advance(DAY_MS);
      ({ refreshToken } = await refreshWith(refreshToken));
      if (day === 6) await expect(refreshWith(idle.refreshToken)).rejects.toEqual(refusal('TOKEN_EXPIRED'));
    }
    deps.clock.advance(DAY_MS);
    await expect(refreshWith(refreshToken)).rejects.toEqual(refusal('TOKEN_EXPIRED'));
  });

  it('end at once: one alone, by its owner; or all of them', async () => {
    const user = await account();
    const [one, other] = [await loginAs(user.email.key), await loginAs(user.email.key)];
    const input = { userId: user.id, sessionId: one.sessionId, origin: ORIGIN };
    await expect(revokeSession(deps, { ...input, userId: newId() })).rejects.toEqual(
      refusal('SESSION_NOT_FOUND'),
    );
    await revokeSession(deps, input);
    await expect(revokeSession(deps, input)).rejects.toEqual(refusal('SESSION_NOT_FOUND'));
    expect(deps.revocationIndex.isRevoked(claimsOf(one.accessToken))).toBe(true);
    expect(deps.revocationIndex.isRevoked(claimsOf(other.accessToken))).toBe(false);
    await expect(refreshWith(one.refreshToken)).rejects.toEqual(refusal('TOKEN_REVOKED'));
    const fresh = await refreshWith(other.refreshToken);
    await logoutAll(deps, { userId: user.id, revokeApiKeys: false, origin: ORIGIN });
    expect(deps.revocationIndex.isRevoked(claimsOf(fresh.accessToken))).toBe(true);
    await expect(refreshWith(fresh.refreshToken)).rejects.toEqual(refusal('TOKEN_REVOKED'));
    expect(deps.revocationIndex.isRevoked(claimsOf((await loginAs(user.email.key)).accessToken))).toBe(false);
  });

  it('begin with registration, which answers a taken address as its mode says', async () => {
    const { email, username } = sampleUser();
    const input = { email, username, password: PASSWORD, fullName: 'Ada Lovelace', origin: ORIGIN };
    const user = await register(deps, input);
    expect(await deps.users.findById(user.id)).toEqual(user);
    expect(await loginAs(email.key)).toHaveProperty('refreshToken');
    const again = { ...input, username: undefined };
    const pretended = await register(deps, again);
    expect(pretended).toEqual({ ...user, id: anyString, username: undefined });
    expect(await deps.users.findById(pretended.id)).toBeUndefined();
    expect(await emailsTo(email.text)).toEqual(['verify_email', 'register_taken']);
    deps.registrationMode = 'open';
    await expect(register(deps, again)).rejects.toEqual(refusal('EMAIL_TAKEN'));
    await expect(register(deps, { ...input, email: sampleUser().email })).rejects.toEqual(
      refusal('USERNAME_TAKEN'),
    );
    await expect(register(deps, { ...input, password: 'short' })).rejects.toEqual(refusal('PASSWORD_POLICY'));
    deps.registrationMode = 'closed';
    await expect(register(deps, input)).rejects.toEqual(refusal('REGISTRATION_CLOSED'));
  });
});
