// Login: from identifier and password to a session with its first pair of tokens or its cookie, or to a challenge for the second factor.

import type { ActionTokenCodec, ActionTokenStore } from '../action-token/action-token.ts';
import { ACTION_TOKEN_TTL_MS } from '../action-token/action-token.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import { emailKey } from '../account/email-address.ts';
import type { PasswordHasher } from '../password/password-hasher.ts';
import type { SupersededPasswordDeps } from '../password/superseded-password.ts';
import { isSuperseded } from '../password/superseded-password.ts';
import type { LoginMark, UserStore } from '../account/user-store.ts';
import type { User } from '../account/user.ts';
import { usernameKey } from '../account/username.ts';
import { DomainError } from '../errors.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { DeviceGrant, KnownDeviceDeps } from '../lockout/device-token.ts';
import { grantDevice, knownDevice } from '../lockout/device-token.ts';
import type { FailureCounter } from '../lockout/failure-counter.ts';
import { codeCounter, deviceCounter, sharedCounter } from '../lockout/failure-counter.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import type { LockoutDeps, LockoutStores } from '../lockout/lockout.ts';
import { accountLocked, countFailure, isSilenced } from '../lockout/lockout.ts';
import type { Transact } from '../transactions.ts';
import type { SessionCredentials, SessionCredentialsDeps } from './session-credentials.ts';
import { issueCredentials } from './session-credentials.ts';
import type { OpenSessionDeps, OpenSessionStores, SessionOptions } from './open-session.ts';
import { openSession } from './open-session.ts';
import type { Session } from './session.ts';

export type LoginInput = SessionOptions & {
  readonly identifier: string;
  readonly password: string;
  /** Device tokens that the caller shows, which may be anything; none when absent. */
  readonly deviceTokens?: readonly string[];
  readonly origin: CallOrigin;
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal;
};

/** The password was right, and a second factor is still asked. */
export type MfaChallenge = {
  /** Good for VerifyMfa alone. */
  readonly mfaToken: string;
  /** Milliseconds. */
  readonly expiresIn: number;
};

/** What a full login issues: the session's credentials, and what its device is known by from now on. */
export type LoginCredentials = SessionCredentials & { readonly device: DeviceGrant };

export type LoginOutcome = LoginCredentials | { readonly challenge: MfaChallenge };

export type LoginStores = OpenSessionStores &
  LockoutStores & {
    readonly users: Pick<UserStore, 'markLogin'>;
    readonly lockouts: Pick<LockoutStore, 'clear' | 'findLocks'>;
    readonly actionTokens: Pick<ActionTokenStore, 'insert'>;
    readonly audit: AuditLog;
  };

export type OpenLoginDeps = OpenSessionDeps & {
  readonly actionTokenCodec: Pick<ActionTokenCodec, 'create'>;
};

export type LoginDeps = SessionCredentialsDeps &
  SupersededPasswordDeps &
  OpenLoginDeps &
  LockoutDeps &
  KnownDeviceDeps & {
    readonly users: Pick<UserStore, 'findByIdentifier'>;
    readonly lockouts: Pick<LockoutStore, 'findLocks'>;
    readonly rateLimiter: Pick<RateLimiter, 'consume'>;
    readonly audit: AuditLog;
    readonly transact: Transact<LoginStores>;
    readonly passwordHasher: PasswordHasher;
    readonly requireVerifiedEmail: boolean;
  };

/** Who is being logged in, as far as that is known, and where a failure is counted. */
type Attempt = {
  readonly user: User | undefined;
  readonly counter: FailureCounter;
  readonly origin: CallOrigin;
};

type Opened = { readonly user: User; readonly session: Session } | { readonly challenge: MfaChallenge };

/**
 * Opens a session; with a second factor, issues a challenge instead. An unknown identifier costs the same work as a wrong password, gets
 * the same answer and locks alike; only the right password learns that an account is suspended or unverified. Failures of a known device are
 * counted on its own counter, and on the shared one while that is locked. The outcome of a password counts only while the counter is not locked, so
 * that guesses made at once are no more than guesses made in turn; the password that the account had before is no guess and is not counted. Errors:
 * INVALID_CREDENTIALS, ACCOUNT_LOCKED, ACCOUNT_SUSPENDED, EMAIL_NOT_VERIFIED, RATE_LIMITED, OVERLOADED, STORAGE_UNAVAILABLE.
 */
export function login(deps: LoginDeps, input: LoginInput): Promise<LoginOutcome> {
  return deps.passwordHasher.admit(() => logIn(deps, input));
}

async function logIn(deps: LoginDeps, input: LoginInput): Promise<LoginOutcome> {
  const { password, origin } = input;
  const key = identifierKey(input.identifier);
  const user = await deps.users.findByIdentifier(key);
  const device = knownDevice(deps, user, input.deviceTokens ?? []);
  const shared = sharedCounter(user, key);
  const own = device === undefined ? undefined : deviceCounter(device);
  await deps.rateLimiter.consume('login', 'account', own?.key ?? key);
  const now = deps.clock.now();
  const locks = await deps.lockouts.findLocks(keysOf(own, shared), now);
  const counter = own !== undefined && !locks.has(own.key) ? own : shared;
  const attempt: Attempt = { user, counter, origin };
  const lockedUntil = locks.get(counter.key);
  if (lockedUntil !== undefined) return refuse(deps, attempt, accountLocked(lockedUntil, now));

  const matches = await deps.passwordHasher.verify(user?.passwordHash, password, input.signal, key);
  if (user?.passwordHash === undefined || !matches || isSilenced(locks, counter)) {
    if (await isSuperseded(deps, user?.id, password)) return refuse(deps, attempt, invalidCredentials());
    return refuseFailure(deps, attempt);
  }
  const obstacle = loginObstacle(deps, user);
  if (obstacle !== undefined) return refuse(deps, attempt, obstacle);

  const checkedHash = user.passwordHash;
  const newHash = deps.passwordHasher.needsRehash(checkedHash)
    ? await deps.passwordHasher.hash(password)
    : undefined;
  const mark = { userId: user.id, checkedHash, newHash, now: deps.clock.now() };
  const opened = await deps.transact((stores) => openLogin(deps, stores, input, mark, counter));
  if (opened === undefined) return refuse(deps, attempt, invalidCredentials());
  if (opened instanceof DomainError) return refuse(deps, attempt, opened);
  if ('challenge' in opened) return opened;
  const given = await issueCredentials(deps, opened.user, opened.session);
  return { ...given, device: grantDevice(deps, opened.user, device) };
}

function keysOf(...counters: ReadonlyArray<FailureCounter | undefined>): readonly string[] {
  return counters
    .flatMap((counter) => [counter?.key, counter?.ceilingKey])
    .filter((key) => key !== undefined);
}

/** The key that an identifier stands for: an e-mail address holds an `@`, a user name never does. */
export function identifierKey(identifier: string): string {
  return identifier.includes('@') ? emailKey(identifier) : usernameKey(identifier);
}

/** ACCOUNT_SUSPENDED. */
export function accountSuspended(): DomainError {
  return new DomainError('ACCOUNT_SUSPENDED', 'This account is suspended. Ask an administrator.');
}

function invalidCredentials(): DomainError {
  return new DomainError('INVALID_CREDENTIALS', 'The identifier or the password is wrong.');
}

function loginObstacle(deps: LoginDeps, user: User): DomainError | undefined {
  if (user.status !== 'active') return accountSuspended();
  if (!deps.requireVerifiedEmail || user.emailVerified) return undefined;
  return new DomainError('EMAIL_NOT_VERIFIED', 'This e-mail address has not been verified.');
}

async function refuse(deps: LoginDeps, attempt: Attempt, error: DomainError): Promise<never> {
  await deps.audit.append(refusedLogin(deps, attempt, error));
  throw error;
}

// The count and the event are committed though the login fails.
async function refuseFailure(deps: LoginDeps, attempt: Attempt): Promise<never> {
  const error = await deps.transact(async (stores) => {
    const { counter, user, origin } = attempt;
    const lockedUntil = await countFailure(deps, stores, counter, user, origin);
    const refusal =
      lockedUntil === undefined ? invalidCredentials() : accountLocked(lockedUntil, deps.clock.now());
    await stores.audit.append(refusedLogin(deps, attempt, refusal));
    return refusal;
  });
  throw error;
}

function refusedLogin(deps: LoginDeps, { user, origin }: Attempt, { reason }: DomainError) {
  const account = user === undefined ? {} : { accountId: user.id, targetId: user.id };
  return auditEvent(deps, { kind: 'session.login', outcome: 'refused', reason, origin, ...account });
}

/**
 * What a login writes once the password is right, in a transaction of the caller's: the session, or the challenge for a second factor.
 * Resolves to undefined when the account changed meanwhile, and to a refusal when the counter was locked.
 */
export async function openLogin(
  deps: OpenLoginDeps,
  stores: LoginStores,
  input: LoginInput,
  mark: LoginMark,
  counter: FailureCounter,
): Promise<Opened | DomainError | undefined> {
  const user = await stores.users.markLogin(mark);
  if (user === undefined) return undefined;
  const counters = keysOf(counter);
  // A second factor is still to come: the failures stay counted until it has.
  const asked = counter.ceilingKey === undefined ? counter.key : codeCounter(user).key;
  const locks = user.mfaEnabled
    ? await stores.lockouts.findLocks([...counters, asked], mark.now)
    : await stores.lockouts.clear(counters, mark.now);
  const lockedUntil = locks.get(counter.key) ?? locks.get(asked);
  if (lockedUntil !== undefined) return accountLocked(lockedUntil, mark.now);
  if (isSilenced(locks, counter)) return invalidCredentials();
  if (user.mfaEnabled) return { challenge: await challenge(deps, stores, input, user, counters) };
  const { scopes, deviceName, useCookie, origin } = input;
  const session = await openSession(deps, stores, {
    user,
    scopes,
    deviceName,
    useCookie,
    origin,
    amr: ['pwd'],
    kind: 'session.login',
  });
  return { user, session };
}

async function challenge(
  deps: OpenLoginDeps,
  stores: LoginStores,
  { scopes, deviceName, useCookie, origin }: LoginInput,
  user: User,
  counters: readonly string[],
): Promise<MfaChallenge> {
  const now = deps.clock.now();
  const id = deps.newId();
  const { text, digest } = deps.actionTokenCodec.create('mfa_challenge', id);
  const expiresIn = ACTION_TOKEN_TTL_MS.mfa_challenge;
  const payload = { scopes, deviceName, useCookie, counters };
  const token = { id, purpose: 'mfa_challenge', userId: user.id, digest, payload } as const;
  await stores.actionTokens.insert({ ...token, createTime: now, expireTime: now + expiresIn });
  await stores.audit.append(
    auditEvent(deps, {
      kind: 'session.mfa_challenge',
      outcome: 'success',
      accountId: user.id,
      actorId: user.id,
      targetId: user.id,
      origin,
    }),
  );
  return { mfaToken: text, expiresIn };
}
