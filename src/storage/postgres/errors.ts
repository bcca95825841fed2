// What the database's errors mean to us.

import { DomainError } from '../../domain/errors.ts';

// SQLSTATE classes and codes, PostgreSQL documentation, appendix A.
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
const ROLE_OF_USER = 'users_role_fkey';
// 28, 3D and 57P03 refuse the connection itself: a password or a pg_hba that is being changed, a database that is being restored. The last two: a
// pooler that does not keep prepared statements apart.
const UNAVAILABLE = /^(08|28|3D|53|57P|57014|58|25P03|55P03|25006|26000|42P05)/;
// Of the driver and of the operating system, which have no SQLSTATE.
const UNREACHABLE = /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH/;
const DRIVER_GAVE_UP =
  /timeout exceeded when trying to connect|Query read timeout|Connection terminated|Client has encountered a connection error|Cannot use a pool after calling end|driver has already been destroyed/i;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Whether running the whole transaction again may succeed. */
export function isRetryable(error: unknown): boolean {
  const code = codeOf(error);
  return code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED;
}

/** Whether a row like it is there already. */
export function isUniqueViolation(error: unknown): boolean {
  return codeOf(error) === UNIQUE_VIOLATION;
}

/** The name of the constraint that the row breaks; empty when the error names none. */
export function constraintOf(error: unknown): string {
  if (!(error instanceof Error) || !('constraint' in error)) return '';
  return typeof error.constraint === 'string' ? error.constraint : '';
}

// A role that was deleted while an account was about to get it.
function isRoleGone(error: Error): boolean {
  return codeOf(error) === FOREIGN_KEY_VIOLATION && constraintOf(error) === ROLE_OF_USER;
}

/**
 * STORAGE_UNAVAILABLE for an error that says the database is away or overloaded, ROLE_NOT_FOUND for an account with a role that is not there; the
 * error itself for any other.
 */
export function translateError(error: unknown): unknown {
  if (error instanceof DomainError || !(error instanceof Error)) return error;
  if (isRoleGone(error)) return new DomainError('ROLE_NOT_FOUND', 'There is no such role.', { cause: error });
  const code = codeOf(error);
  const isAway = UNAVAILABLE.test(code) || UNREACHABLE.test(code) || DRIVER_GAVE_UP.test(error.message);
  if (!isAway) return error;
  return new DomainError('STORAGE_UNAVAILABLE', 'The database cannot be reached now. Try again.', {
    retryAfterMs: 1_000,
    cause: error,
  });
}
