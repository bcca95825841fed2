// VerifyMfa: the second step of a login, from a challenge and a code to a session.

import type { UserStore } from '../account/user-store.ts';
import type { User } from '../account/user.ts';
import type {
  ActionToken,
  ActionTokenCodec,
  ActionTokenStore,
  PresentedActionToken,
} from '../action-token/action-token.ts';
import type { CallOrigin } from '../audit/audit-event.ts';
import { DomainError, validationFailed } from '../errors.ts';
import type { KnownDeviceDeps } from '../lockout/device-token.ts';
import { grantDevice, knownDevice } from '../lockout/device-token.ts';
import { codeCounter, deviceCounter } from '../lockout/failure-counter.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import type { LockoutStores } from '../lockout/lockout.ts';
import { accountLocked, lockedUntil } from '../lockout/lockout.ts';
import type { SessionCredentialsDeps } from '../session/session-credentials.ts';
import { issueCredentials } from '../session/session-credentials.ts';
import type { LoginCredentials } from '../session/login.ts';
import { accountSuspended } from '../session/login.ts';
import type { OpenSessionDeps, OpenSessionStores, SessionOptions } from '../session/open-session.ts';
import { openSession } from '../session/open-session.ts';
import type { Transact } from '../transactions.ts';
import type { CodeAttempt, CodeAttemptDeps } from './code-attempt.ts';
import { codeInvalid, refuseAttempt, refuseWrongCode, requireUnlockedAttempt } from './code-attempt.ts';
import type { FactorUse, MatchedFactor, MatchFactorDeps, TypedFactor } from './match-factor.ts';
import { matchFactor, TWO_FACTOR_AMR, useFactor } from './match-factor.ts';

export type VerifyMfaInput = {
  readonly mfaToken: string;
  readonly factor: TypedFactor;
  /** Device tokens that the caller shows, which may be anything; none when absent. */
  readonly deviceTokens?: readonly string[];
  /** Whether a cookie can be set by the answer. */
  readonly mayUseCookie: boolean;
  readonly origin: CallOrigin;
};

type VerifyStores = OpenSessionStores &
  LockoutStores & {
    readonly users: Pick<UserStore, 'markSecondFactor'>;
    readonly lockouts: Pick<LockoutStore, 'clear'>;
    readonly actionTokens: Pick<ActionTokenStore, 'consume'>;
    readonly totpFactors: FactorUse;
  };

export type VerifyMfaDeps = SessionCredentialsDeps &
  OpenSessionDeps &
  CodeAttemptDeps &
  KnownDeviceDeps &
  MatchFactorDeps & {
    readonly users: Pick<UserStore, 'findById'>;
    readonly actionTokens: Pick<ActionTokenStore, 'find'>;
    readonly actionTokenCodec: Pick<ActionTokenCodec, 'read'>;
    readonly transact: Transact<VerifyStores>;
  };

type Challenge = { readonly presented: PresentedActionToken; readonly token: ActionToken };

// What another call may have done between the look and the act.
const RACES: ReadonlySet<string> = new Set<DomainError['reason']>([
  'TOKEN_INVALID',
  'MFA_CODE_INVALID',
  'ACCOUNT_LOCKED',
  'ACCOUNT_SUSPENDED',
]);

/**
 * Opens the session that the login asked for. Of any number of calls with one challenge, or with one code, one succeeds. A wrong code is
 * counted toward the lockout, a known device's on its own counter; a code that was used before is not: it is no guess. The outcome of a code
 * counts only while the counter is not locked, and a refusal uses up nothing. Errors: TOKEN_INVALID, TOKEN_EXPIRED, MFA_CODE_INVALID, ACCOUNT_LOCKED, ACCOUNT_SUSPENDED,
 * VALIDATION_FAILED (a cookie was asked for, and none can be set here), STORAGE_UNAVAILABLE.
 */
export async function verifyMfa(deps: VerifyMfaDeps, input: VerifyMfaInput): Promise<LoginCredentials> {
  const challenge = await findChallenge(deps, input.mfaToken);
  if (sessionOptionsOf(challenge.token).useCookie && !input.mayUseCookie) throw cookieImpossible();
  const user = await deps.users.findById(challenge.token.userId);
  if (user === undefined) throw invalidChallenge();
  const device = knownDevice(deps, user, input.deviceTokens ?? []);
  const counter = await counterOf(deps, user, device);
  const event = { kind: 'session.verify_mfa', origin: input.origin } as const;
  const attempt = { user, counter, event };
  if (user.status !== 'active') return refuseAttempt(deps, attempt, accountSuspended());
  await requireUnlockedAttempt(deps, attempt);

  const matched = await matchFactor(deps, user.id, input.factor);
  if (matched === 'wrong') return refuseWrongCode(deps, attempt);
  if (matched === 'used') return refuseAttempt(deps, attempt, codeInvalid());
  const opened = await deps
    .transact((stores: VerifyStores) => open(deps, stores, challenge, attempt, matched))
    .catch((error: unknown) => refuseRace(deps, attempt, error));
  const given = await issueCredentials(deps, opened.user, opened.session);
  return { ...given, device: grantDevice(deps, opened.user, device) };
}

/** The device's own counter, unless there is none or it is locked. */
async function counterOf(deps: VerifyMfaDeps, user: User, device: string | undefined) {
  if (device === undefined) return codeCounter(user);
  const own = deviceCounter(device);
  return (await lockedUntil(deps.lockouts, own, deps.clock.now())) === undefined ? own : codeCounter(user);
}

async function findChallenge(deps: VerifyMfaDeps, mfaToken: string): Promise<Challenge> {
  const presented = deps.actionTokenCodec.read('mfa_challenge', mfaToken);
  if (presented === undefined) throw invalidChallenge();
  const token = await deps.actionTokens.find('mfa_challenge', presented);
  if (token === undefined) throw invalidChallenge();
  if (deps.clock.now() < token.expireTime) return { presented, token };
  throw new DomainError('TOKEN_EXPIRED', 'The challenge has expired. Log in again.');
}

function invalidChallenge(): DomainError {
  return new DomainError('TOKEN_INVALID', 'The challenge is not valid. Log in again.');
}

async function refuseRace(deps: VerifyMfaDeps, attempt: CodeAttempt, error: unknown): Promise<never> {
  if (error instanceof DomainError && RACES.has(error.reason)) return refuseAttempt(deps, attempt, error);
  throw error;
}

// Every refusal is thrown, so that the transaction comes to nothing and no backup code is burnt by it.
async function open(
  deps: VerifyMfaDeps,
  stores: VerifyStores,
  { presented, token }: Challenge,
  { user: { id }, counter: { key }, event: { origin } }: CodeAttempt,
  matched: MatchedFactor,
) {
  const now = deps.clock.now();
  const user = await stores.users.markSecondFactor(id, now);
  if (user === undefined) throw accountSuspended();
  if (!user.mfaEnabled) throw invalidChallenge();
  if ((await stores.actionTokens.consume('mfa_challenge', presented)) === undefined) throw invalidChallenge();
  if (!(await useFactor(stores.totpFactors, user.id, matched, now))) throw codeInvalid();
  // Failures of the password step are deleted too, unless unknown devices have locked the counter since: that does not affect this login.
  const end = (await stores.lockouts.clear([...countersOf(token), key], now)).get(key);
  if (end !== undefined) throw accountLocked(end, now);
  const session = await openSession(deps, stores, {
    ...sessionOptionsOf(token),
    user,
    origin,
    amr: TWO_FACTOR_AMR[matched.kind],
    kind: 'session.verify_mfa',
  });
  return { user, session };
}

/** Where the login's wrong passwords stay counted; version 0.1 did not store it in the challenge. */
function countersOf({ payload: { counters } }: ActionToken): readonly string[] {
  return Array.isArray(counters) ? counters.filter((key) => typeof key === 'string') : [];
}

/** What the login asked for. Errors: Error for a challenge that Login did not write. */
function sessionOptionsOf({ payload: { scopes, deviceName, useCookie } }: ActionToken): SessionOptions {
  const isText = (value: unknown) => typeof value === 'string';
  if (Array.isArray(scopes) && scopes.every(isText) && isText(deviceName))
    return { scopes, deviceName, useCookie: useCookie === true };
  throw new Error('a challenge holds no scopes and device name');
}

// Who could make another person's browser answer a challenge would log it into an account of their own (login CSRF, CWE-352).
function cookieImpossible(): DomainError {
  return validationFailed([
    {
      field: 'mfa_token',
      description: 'must be answered by a browser at an allowed origin, for its login asked for a cookie',
    },
  ]);
}
