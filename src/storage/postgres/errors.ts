// What the database's errors mean to us.

import { DomainError } from '../../domain/errors.ts';

// SQLSTATE classes and codes, PostgreSQL documentation, appendix A.
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
const UNIQUE_VIOLATION = '23505';
const UNAVAILABLE = /^(08|53|57P0|57014|25P03|55P03|25006)/;
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

/** STORAGE_UNAVAILABLE for an error that says the database is away or overloaded; the error itself for any other. */
export function translateError(error: unknown): unknown {
  if (error instanceof DomainError || !(error instanceof Error)) return error;
  const code = codeOf(error);
  const isAway = UNAVAILABLE.test(code) || UNREACHABLE.test(code) || DRIVER_GAVE_UP.test(error.message);
  if (!isAway) return error;
  return new DomainError('STORAGE_UNAVAILABLE', 'The database cannot be reached now. Try again.', {
    retryAfterMs: 1_000,
    cause: error,
  });
}
