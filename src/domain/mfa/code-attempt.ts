// An attempt at a code that comes to nothing: written down, and counted when it was a guess.

import type { User } from '../account/user.ts';
import type { AuditEvent, AuditLog } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { FailureCounter } from '../lockout/failure-counter.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import type { LockoutDeps, LockoutStores } from '../lockout/lockout.ts';
import { accountLocked, countFailure, lockedUntil } from '../lockout/lockout.ts';
import type { Transact } from '../transactions.ts';

export type CodeAttemptDeps = LockoutDeps & {
  readonly lockouts: Pick<LockoutStore, 'findLocks'>;
  readonly audit: AuditLog;
  readonly transact: Transact<LockoutStores>;
};

/** Whose code is tried, where a wrong one is counted, and the event that a refusal is written down as. */
export type CodeAttempt = {
  readonly user: User;
  readonly counter: FailureCounter;
  readonly event: Pick<AuditEvent, 'kind' | 'actorId' | 'origin'>;
};

/** MFA_CODE_INVALID: the same for a code that is wrong and for one that was used before. */
export function codeInvalid(): DomainError {
  return new DomainError('MFA_CODE_INVALID', 'The code is wrong, or was used before. Try the next one.');
}

/** Refuses the attempt while its counter is locked. Errors: ACCOUNT_LOCKED. */
export async function requireUnlockedAttempt(deps: CodeAttemptDeps, attempt: CodeAttempt): Promise<void> {
  const now = deps.clock.now();
  const end = await lockedUntil(deps.lockouts, attempt.counter, now);
  if (end !== undefined) await refuseAttempt(deps, attempt, accountLocked(end, now));
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
 * locked the counter meanwhile.
 */
export function refuseWrongCode(deps: CodeAttemptDeps, attempt: CodeAttempt): Promise<never> {
  return refuseWrong(deps, attempt, codeInvalid());
}

/** As `refuseWrongCode`, for whatever else was wrong. Errors: `wrong`, or ACCOUNT_LOCKED. */
export async function refuseWrong(
  deps: CodeAttemptDeps,
  attempt: CodeAttempt,
  wrong: DomainError,
): Promise<never> {
  const error = await deps.transact(async (stores) => {
    const { user, counter, event } = attempt;
    const lockedBefore = await countFailure(deps, stores, counter, user, event.origin);
    const refusal = lockedBefore === undefined ? wrong : accountLocked(lockedBefore, deps.clock.now());
    await stores.audit.append(refusedEvent(deps, attempt, refusal));
    return refusal;
  });
  throw error;
}

function refusedEvent(deps: Stamp, { user, event }: CodeAttempt, { reason }: DomainError): AuditEvent {
  return auditEvent(deps, { ...event, outcome: 'refused', reason, accountId: user.id, targetId: user.id });
}
