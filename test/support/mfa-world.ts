// The second factor's use cases over a database of the test's own: people who log in with codes, at a time that the test sets.

import { randomBytes } from 'node:crypto';
import { actionTokenCodec } from '../../src/crypto/tokens/action-token-codec.ts';
import { backupCodes } from '../../src/crypto/tokens/backup-codes.ts';
import { deviceTokenCodec } from '../../src/crypto/tokens/device-token-codec.ts';
import { newId } from '../../src/crypto/ids.ts';
import { MasterKey } from '../../src/crypto/keys/master-key.ts';
import { refreshTokenCodec } from '../../src/crypto/tokens/refresh-token-codec.ts';
import { sessionCookieCodec } from '../../src/crypto/tokens/session-cookie-codec.ts';
import { totp, totpSecrets } from '../../src/crypto/tokens/totp.ts';
import { BUILT_IN_ROLES, RoleDirectory } from '../../src/domain/access/role.ts';
import { confirmTotp } from '../../src/domain/mfa/confirm-totp.ts';
import { enrollTotp } from '../../src/domain/mfa/enroll-totp.ts';
import type { TypedFactor } from '../../src/domain/mfa/match-factor.ts';
import { verifyMfa } from '../../src/domain/mfa/verify-mfa.ts';
import { UnansweredRefreshes } from '../../src/domain/session/unanswered-refreshes.ts';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import { login } from '../../src/domain/session/login.ts';
import type { AccessTokenClaims } from '../../src/domain/token/access-token.ts';
import type { TestStores } from './databases.ts';
import { FakeClock } from './fake-clock.ts';
import { DAY_MS, LOCKOUT_RULE, NOW, ORIGIN, sampleUser } from './samples.ts';
import { STEP_MS, totpCode, wrongCode } from './totp.ts';

const PASSWORD = 'right';
/** The password of every user in these worlds. */
export const PASSWORD_PROOF = { kind: 'password', password: PASSWORD } as const;

/** What the use cases are given. Access tokens are read back as the claims that went in. */
export function mfaWorld(db: TestStores) {
  const clock = new FakeClock(NOW);
  const roleDirectory = new RoleDirectory();
  roleDirectory.replace(BUILT_IN_ROLES);
  const masterKey = new MasterKey(randomBytes(32));
  return {
    ...db.stores,
    transact: db.transact,
    clock,
    newId,
    randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
    roleDirectory,
    revocationIndex: new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 }),
    revocationChannel: { publish: async () => undefined },
    onChannelFailure: () => undefined,
    unansweredRefreshes: new UnansweredRefreshes(),
    stopwatch: () => performance.now(),
    accessTokenSigner: { sign: async (claims: AccessTokenClaims) => JSON.stringify(claims) },
    refreshTokenCodec: refreshTokenCodec(randomBytes(32)),
    sessionCookieCodec: sessionCookieCodec(randomBytes(32)),
    actionTokenCodec,
    deviceTokenCodec: deviceTokenCodec(randomBytes(32)),
    deviceTokenTtlMs: 180 * DAY_MS,
    lockoutRule: LOCKOUT_RULE,
    totp,
    totpSecrets: totpSecrets(masterKey),
    totpIssuer: 'latchkey.test',
    backupCodes: backupCodes(randomBytes(32)),
    passwordHasher: {
      admit: <Result>(work: () => Promise<Result>) => work(),
      hash: async (password: string) => password,
      verify: async (hash: string | undefined, password: string) => hash === password,
      needsRehash: () => false,
    },
    requireVerifiedEmail: false,
    rateLimiter: { consume: async () => undefined },
    tokenPolicy: {
      audience: 'api',
      accessTokenTtlMs: 900_000,
      refreshTokenTtlMs: 7 * DAY_MS,
      sessionMaxAgeMs: 30 * DAY_MS,
      refreshGraceMs: 10_000,
    },
  };
}

export type MfaWorld = ReturnType<typeof mfaWorld>;

/** A person with an account, and what they do. */
export async function person(world: MfaWorld) {
  const user = sampleUser({ passwordHash: PASSWORD });
  await world.users.insert(user);
  const { id: userId } = user;
  const tryLogin = (password = PASSWORD, identifier = user.email.key) =>
    login(world, {
      identifier,
      password,
      scopes: [],
      deviceName: 'laptop',
      useCookie: false,
      origin: ORIGIN,
    });
  return {
    user,
    tryLogin,
    async logIn() {
      const outcome = await tryLogin();
      if ('tokens' in outcome) return outcome.tokens;
      throw new Error('a second factor is asked');
    },
    async challenge() {
      const outcome = await tryLogin();
      if ('challenge' in outcome) return outcome.challenge.mfaToken;
      throw new Error('no second factor is asked');
    },
    enroll: () => enrollTotp(world, { userId, sessionId: newId(), proof: PASSWORD_PROOF, origin: ORIGIN }),
    async confirm(sessionId: string, code: string) {
      const { backupCodes } = await confirmTotp(world, { userId, sessionId, code, origin: ORIGIN });
      return backupCodes;
    },
    async verify(mfaToken: string, factor: TypedFactor) {
      const credentials = await verifyMfa(world, { mfaToken, factor, mayUseCookie: false, origin: ORIGIN });
      if ('tokens' in credentials) return credentials.tokens;
      throw new Error('a cookie is handed out');
    },
  };
}

/** A person whose second factor is on. The code of the step at which this was called is used up. */
export async function enrolledPerson(world: MfaWorld) {
  const owner = await person(world);
  const { sessionId } = await owner.logIn();
  const { secret } = await owner.enroll();
  const codes = await owner.confirm(sessionId, totpCode(secret, world.clock.now()));
  const code = (steps = 0): TypedFactor => ({
    kind: 'totp',
    code: totpCode(secret, world.clock.now() + steps * STEP_MS),
  });
  const wrong = (): TypedFactor => ({ kind: 'totp', code: wrongCode(secret, world.clock.now()) });
  const backups = codes.map((text): TypedFactor => ({
    kind: 'backup_code',
    code: text.replace('-', ''),
  }));
  return { ...owner, secret, sessionId, code, wrong, backups };
}

/** How many of the calls ended well, and how many in each reason. */
export async function tally(calls: ReadonlyArray<Promise<unknown>>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const settled of await Promise.allSettled(calls)) {
    const reason: unknown = settled.status === 'rejected' ? settled.reason : undefined;
    const name =
      settled.status === 'fulfilled'
        ? 'OK'
        : reason instanceof Error && 'reason' in reason
          ? String(reason.reason)
          : String(reason);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
