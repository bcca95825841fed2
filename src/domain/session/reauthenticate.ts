// Reauthenticate: the same session, and a later time of login, for a caller who proves again to be the person.

import type { EmailStore } from '../account/email-store.ts';
import { provePassword } from '../password/prove-password.ts';
import type { UserStore } from '../account/user-store.ts';
import type { User } from '../account/user.ts';
import type { AuditLog } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError, validationFailed } from '../errors.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import { accountLocked } from '../lockout/lockout.ts';
import { codeInvalid } from '../mfa/code-attempt.ts';
import { mfaNotEnabled } from '../mfa/disable-totp.ts';
import type { FactorUse, MatchedFactor, TypedFactor } from '../mfa/match-factor.ts';
import { TWO_FACTOR_AMR, useFactor } from '../mfa/match-factor.ts';
import type { PersonAttempt, ProvenInput, ProvePersonDeps } from '../mfa/prove-person.ts';
import { personAttempt, proveCode, refuseRace } from '../mfa/prove-person.ts';
import type { Transact } from '../transactions.ts';
import type { SessionCredentials, SessionCredentialsDeps } from './session-credentials.ts';
import { issueCredentials } from './session-credentials.ts';
import type { RenewSessionDeps } from './renew-session.ts';
import { renewSession } from './renew-session.ts';
import type { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

type ReauthenticateStores = {
  readonly emails: Pick<EmailStore, 'lockById'>;
  readonly sessions: Pick<SessionStore, 'renew'>;
  readonly lockouts: Pick<LockoutStore, 'clear'>;
  readonly totpFactors: FactorUse;
  readonly audit: AuditLog;
};

export type ReauthenticateDeps = ProvePersonDeps &
  RenewSessionDeps &
  SessionCredentialsDeps & {
    readonly users: Pick<UserStore, 'findWithPassword'>;
    readonly transact: Transact<ReauthenticateStores>;
  };

export type ReauthenticateInput = Omit<ProvenInput, 'proof'> & {
  readonly password: string;
  /** Undefined for an account without a second factor. */
  readonly factor: TypedFactor | undefined;
};

type Renewed = { readonly user: User; readonly session: Session };

/**
 * Raises the session's time of login to now and adds what was proved to its `amr`. Its refresh token is spent as by a refresh, its cookie is good
 * no more: the session goes on by what this answers. Wrong proofs are counted toward the lockout and audited; right ones clear the session's count. Errors:
 * INVALID_CREDENTIALS, MFA_CODE_INVALID, ACCOUNT_LOCKED, MFA_NOT_ENABLED, VALIDATION_FAILED (the second factor is missing), TOKEN_REVOKED,
 * USER_NOT_FOUND, CONFLICT, OVERLOADED, STORAGE_UNAVAILABLE.
 */
export async function reauthenticate(
  deps: ReauthenticateDeps,
  input: ReauthenticateInput,
): Promise<SessionCredentials> {
  const { password, factor, signal } = input;
  const attempt = await personAttempt(deps, input, 'session.reauthenticate');
  requireFittingFactor(attempt.user, factor);
  await provePassword(deps, attempt, password, signal);
  const matched = factor && (await proveCode(deps, attempt, factor));
  const { user, session } = await deps
    .transact((stores: ReauthenticateStores) => renew(deps, stores, input, attempt, matched))
    .catch((error: unknown) => refuseRace(deps, attempt, error));
  return issueCredentials(deps, user, session);
}

function requireFittingFactor({ mfaEnabled }: User, factor: TypedFactor | undefined): void {
  if (!mfaEnabled && factor !== undefined) throw mfaNotEnabled();
  if (!mfaEnabled || factor !== undefined) return;
  throw validationFailed([
    { field: 'second_factor', description: 'is required, for the account has one: totp_code or backup_code' },
  ]);
}

async function renew(
  deps: ReauthenticateDeps,
  stores: ReauthenticateStores,
  { userId, sessionId, origin }: ReauthenticateInput,
  { user: checked, counter, event }: PersonAttempt,
  matched: MatchedFactor | undefined,
): Promise<Renewed> {
  const now = deps.clock.now();
  const user = await stores.emails.lockById(userId);
  if (user?.status !== 'active')
    throw new DomainError('TOKEN_REVOKED', 'The session has ended. Log in again.');
  if (user.mfaEnabled !== checked.mfaEnabled) throw changedMeanwhile();
  if (matched !== undefined && !(await useFactor(stores.totpFactors, userId, matched, now)))
    throw codeInvalid();
  const end = (await stores.lockouts.clear([counter.key], now)).get(counter.key);
  if (end !== undefined) throw accountLocked(end, now);
  const proof = { authTime: now, amr: matched === undefined ? ['pwd'] : TWO_FACTOR_AMR[matched.kind] };
  // In the epoch in which the password was checked: one that was changed since proves nothing.
  const renewal = { user: checked, sessionId, origin, now, endsTokens: false, proof };
  const session = await renewSession(deps, stores, renewal);
  const who = { accountId: userId, actorId: userId, targetId: sessionId };
  await stores.audit.append(auditEvent(deps, { kind: event.kind, outcome: 'success', ...who, origin }));
  return { user, session };
}

function changedMeanwhile(): DomainError {
  return new DomainError('CONFLICT', 'The account was changed meanwhile. Try again.', { retryAfterMs: 100 });
}
