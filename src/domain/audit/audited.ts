// What operators do is audited, and so is what they are refused.

import { DomainError } from '../errors.ts';
import type { ErrorReason } from '../errors.ts';
import type { Transact } from '../transactions.ts';
import type { AuditEvent, AuditLog } from './audit-event.ts';
import type { Stamp } from './record.ts';
import { auditEvent } from './record.ts';

/** An act before its outcome is known. */
export type AuditedAct = Pick<
  AuditEvent,
  'kind' | 'accountId' | 'actorId' | 'targetId' | 'origin' | 'details'
>;

export type AuditedDeps<Stores> = Stamp & { readonly audit: AuditLog; readonly transact: Transact<Stores> };

// Neither says what a caller was not allowed to do.
const NO_REFUSALS: ReadonlySet<ErrorReason> = new Set([
  'VALIDATION_FAILED',
  'CONFLICT',
  'STORAGE_UNAVAILABLE',
  'CALL_CANCELLED',
  'DEADLINE_EXCEEDED',
]);

/**
 * Runs `work` in one transaction, which writes the event of its success itself. When it is refused nothing of it is kept, and the refusal is
 * written down before it is thrown on. Errors: those of `work`, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function audited<Stores, Result>(
  deps: AuditedDeps<Stores>,
  act: AuditedAct,
  work: (stores: Stores) => Promise<Result>,
): Promise<Result> {
  try {
    return await deps.transact(work);
  } catch (error) {
    if (error instanceof DomainError && !NO_REFUSALS.has(error.reason)) {
      await deps.audit.append(auditEvent(deps, { ...act, outcome: 'refused', reason: error.reason }));
    }
    throw error;
  }
}
