// Login: from identifier and password to a session with its first pair of tokens or its cookie, or to a challenge for the second factor.

import type { ActionTokenCodec, ActionTokenStore } from '../action-token/action-token.ts';
import { ACTION_TOKEN_TTL_MS } from '../action-token/action-token.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import { emailKey } from '../account/email-address.ts';
import type { PasswordHasher } from '../account/password-hasher.ts';
import type { SupersededPasswordDeps } from '../account/superseded-password.ts';
import { isSuperseded } from '../account/superseded-password.ts';
import type { LoginMark, UserStore } from '../account/user-store.ts';
import type { User } from '../account/user.ts';
import { usernameKey } from '../account/username.ts';
import { DomainError } from '../errors.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import type { LockoutStores } from '../lockout/lockout.ts';
import { accountLocked, countFailure, lockoutKey } from '../lockout/lockout.ts';
import type { Transact } from '../transactions.ts';
import type { HandOut, HandOutDeps } from './hand-out.ts';
import { handOut } from './hand-out.ts';
import type { OpenSessionDeps, OpenSessionStores, SessionWish } from './open-session.ts';
import { openSession } from './open-session.ts';
import type { Session } from './session.ts';

export type LoginInput = SessionWish & {
  readonly identifier: string;
  readonly password: string;
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

export type LoginOutcome = HandOut | { readonly challenge: MfaChallenge };

export type LoginStores = OpenSessionStores &
  LockoutStores & {
    readonly users: Pick<UserStore, 'markLogin'>;
    readonly lockouts: Pick<LockoutStore, 'clear' | 'lockedUntil'>;
    readonly actionTokens: Pick<ActionTokenStore, 'insert'>;
    readonly audit: AuditLog;
  };

export type OpenLoginDeps = OpenSessionDeps & {
  readonly actionTokenCodec: Pick<ActionTokenCodec, 'create'>;
};

export type LoginDeps = HandOutDeps &
  SupersededPasswordDeps &
  OpenLoginDeps & {
    readonly users: Pick<UserStore, 'findByIdentifier'>;
    readonly lockouts: Pick<LockoutStore, 'lockedUntil'>;
    readonly rateLimiter: Pick<RateLimiter, 'consume'>;
    readonly audit: AuditLog;
    readonly transact: Transact<LoginStores>;
    readonly passwordHasher: PasswordHasher;
    readonly requireVerifiedEmail: boolean;
  };

/** Who is being logged in, as far as that is known. */
type Attempt = { readonly user: User | undefined; readonly lockKey: string; readonly origin: CallOrigin };

type Opened = { readonly user: User; readonly session: Session } | { readonly challenge: MfaChallenge };

/**
 * Opens a session; with a second factor, hands out a challenge instead. An unknown identifier costs the same work as a wrong password, gets
 * the same answer and locks alike; only the right password learns that an account is suspended or unverified. The outcome of a password
 * counts only while the account is not locked, so that guesses made at once are no more than guesses made in turn; the password that the
 * account had before is no guess and is not counted. Errors:
 * INVALID_CREDENTIALS, ACCOUNT_LOCKED, ACCOUNT_SUSPENDED, EMAIL_NOT_VERIFIED, RATE_LIMITED, OVERLOADED, STORAGE_UNAVAILABLE.
 */
export function login(deps: LoginDeps, input: LoginInput): Promise<LoginOutcome> {
  return deps.passwordHasher.admit(() => logIn(deps, input));
}

async function logIn(deps: LoginDeps, input: LoginInput): Promise<LoginOutcome> {
  const { password, origin, signal } = input;
  const key = identifierKey(input.identifier);
  const user = await deps.users.findByIdentifier(key);
  const attempt: Attempt = { user, lockKey: lockoutKey(user, key), origin };
  await deps.rateLimiter.consume('login', 'account', attempt.lockKey);
  const now = deps.clock.now();
  const lockedUntil = await deps.lockouts.lockedUntil(attempt.lockKey, now);
  if (lockedUntil !== undefined) return refuse(deps, attempt, accountLocked(lockedUntil, now));

  const matches = await deps.passwordHasher.verify(user?.passwordHash, password, signal);
  if (user?.passwordHash === undefined || !matches) {
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
  const opened = await deps.transact((stores) => openLogin(deps, stores, input, mark, attempt.lockKey));
  if (opened === undefined) return refuse(deps, attempt, invalidCredentials());
  if (opened instanceof DomainError) return refuse(deps, attempt, opened);
  if ('challenge' in opened) return opened;
  return handOut(deps, opened.user, opened.session);
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
    const { lockKey, user, origin } = attempt;
    const lockedUntil = await countFailure(deps, stores, lockKey, user, origin);
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
 * Resolves to undefined when the account changed meanwhile, and to ACCOUNT_LOCKED when it was locked.
 */
export async function openLogin(
  deps: OpenLoginDeps,
  stores: LoginStores,
  input: LoginInput,
  mark: LoginMark,
  lockKey: string,
): Promise<Opened | DomainError | undefined> {
  const user = await stores.users.markLogin(mark);
  if (user === undefined) return undefined;
  // A second factor is still to come: the failures stay counted until it has.
  const lockedUntil = user.mfaEnabled
    ? await stores.lockouts.lockedUntil(lockKey, mark.now)
    : await stores.lockouts.clear(lockKey, mark.now);
  if (lockedUntil !== undefined) return accountLocked(lockedUntil, mark.now);
  if (user.mfaEnabled) return { challenge: await challenge(deps, stores, input, user) };
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
): Promise<MfaChallenge> {
  const now = deps.clock.now();
  const id = deps.newId();
  const { text, digest } = deps.actionTokenCodec.create('mfa_challenge', id);
  const expiresIn = ACTION_TOKEN_TTL_MS.mfa_challenge;
  const payload = { scopes, deviceName, useCookie };
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
