// An attempt at a code that comes to nothing: written down, and counted when it was a guess.

import type { User } from '../account/user.ts';
import type { AuditEvent, AuditLog } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import type { LockoutStores } from '../lockout/lockout.ts';
import { accountLocked, countFailure, lockoutKey } from '../lockout/lockout.ts';
import type { Transact } from '../transactions.ts';

export type CodeAttemptDeps = Stamp & {
  readonly lockouts: Pick<LockoutStore, 'lockedUntil'>;
  readonly audit: AuditLog;
  readonly transact: Transact<LockoutStores>;
};

/** Whose code is tried, and the event that a refusal is written down as. */
export type CodeAttempt = {
  readonly user: User;
  readonly event: Pick<AuditEvent, 'kind' | 'actorId' | 'origin'>;
};

/** Under what wrong codes of the account are counted: the key of its wrong passwords. */
export function attemptLockKey({ id }: Pick<User, 'id'>): string {
  return lockoutKey({ id }, '');
}

/** MFA_CODE_INVALID: the same for a code that is wrong and for one that was used before. */
export function codeInvalid(): DomainError {
  return new DomainError('MFA_CODE_INVALID', 'The code is wrong, or was used before. Try the next one.');
}

/** Refuses the attempt while the account is locked. Errors: ACCOUNT_LOCKED. */
export async function requireUnlockedAttempt(deps: CodeAttemptDeps, attempt: CodeAttempt): Promise<void> {
  const now = deps.clock.now();
  const lockedUntil = await deps.lockouts.lockedUntil(attemptLockKey(attempt.user), now);
  if (lockedUntil !== undefined) await refuseAttempt(deps, attempt, accountLocked(lockedUntil, now));
}

/** Writes the refusal down, counts nothing, and throws it. */
export async function refuseAttempt(
  deps: Pick<CodeAttemptDeps, keyof Stamp | 'audit'>,
  attempt: CodeAttempt,
  error: DomainError,
): Promise<never> {
  await deps.audit.append(refusedEvent(deps, attempt, error));
  throw error;
}

/**
 * Counts a wrong code toward the lockout, committed though the call is refused. Errors: MFA_CODE_INVALID; ACCOUNT_LOCKED when other failures
 * locked the account meanwhile.
 */
export async function refuseWrongCode(deps: CodeAttemptDeps, attempt: CodeAttempt): Promise<never> {
  const error = await deps.transact(async (stores) => {
    const { user, event } = attempt;
    const lockedUntil = await countFailure(deps, stores, attemptLockKey(user), user, event.origin);
    const refusal = lockedUntil === undefined ? codeInvalid() : accountLocked(lockedUntil, deps.clock.now());
    await stores.audit.append(refusedEvent(deps, attempt, refusal));
    return refusal;
  });
  throw error;
}

function refusedEvent(deps: Stamp, { user, event }: CodeAttempt, { reason }: DomainError): AuditEvent {
  return auditEvent(deps, { ...event, outcome: 'refused', reason, accountId: user.id, targetId: user.id });
}
