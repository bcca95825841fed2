// A request that breaks a rule of HTTP or of OAuth's way to use it.

import { DomainError } from '../../domain/errors.ts';

/** Statuses with which a request is refused for its form. */
export type FaultStatus = 400 | 405 | 408 | 413 | 415;

/** VALIDATION_FAILED with an HTTP status. The message is `error_description`, so it holds no quote and no backslash (RFC 6749, section 5.2). */
export class RequestFault extends DomainError {
  readonly status: FaultStatus;

  constructor(status: FaultStatus, message: string) {
    super('VALIDATION_FAILED', message, { violations: [{ field: '', description: message }] });
    this.status = status;
  }
}
