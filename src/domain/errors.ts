// The one error type by which the domain refuses: a stable reason for programs, a sentence for people.

/** Stable codes that callers switch over. The RPC layer maps each to one gRPC status code. */
export type ErrorReason =
  | 'TOKEN_MISSING'
  | 'TOKEN_INVALID'
  | 'TOKEN_EXPIRED'
  | 'TOKEN_REVOKED'
  | 'INVALID_CREDENTIALS'
  | 'MFA_CODE_INVALID'
  | 'REFRESH_TOKEN_REUSED'
  | 'STEP_UP_REQUIRED'
  | 'INSUFFICIENT_SCOPE'
  | 'CREDENTIAL_NOT_ALLOWED'
  | 'VALIDATION_FAILED'
  | 'PASSWORD_POLICY'
  | 'PASSWORD_BREACHED'
  | 'RATE_LIMITED'
  | 'ACCOUNT_LOCKED'
  | 'OVERLOADED'
  | 'EMAIL_NOT_VERIFIED'
  | 'REGISTRATION_CLOSED'
  | 'MFA_ALREADY_ENABLED'
  | 'MFA_NOT_ENABLED'
  | 'MFA_NOT_PENDING'
  | 'API_KEY_LIMIT'
  | 'ROLE_IN_USE'
  | 'ROTATION_PENDING'
  | 'ROLE_PROTECTED'
  | 'ACCOUNT_SUSPENDED'
  | 'EMAIL_TAKEN'
  | 'USERNAME_TAKEN'
  | 'NAME_TAKEN'
  | 'USER_NOT_FOUND'
  | 'SESSION_NOT_FOUND'
  | 'API_KEY_NOT_FOUND'
  | 'ROLE_NOT_FOUND'
  | 'SERVICE_ACCOUNT_NOT_FOUND'
  | 'CONFLICT'
  | 'STORAGE_UNAVAILABLE'
  | 'REVOCATIONS_STALE'
  | 'SHUTTING_DOWN'
  | 'CALL_CANCELLED'
  | 'DEADLINE_EXCEEDED';

/** One field of the request that breaks one rule. `field` is the path in the proto file. */
export type FieldViolation = {
  readonly field: string;
  readonly description: string;
  /** Where it is not that of the whole error. */
  readonly reason?: ErrorReason;
};

/** What a DomainError may carry beside its reason. */
export type ErrorDetail = {
  readonly violations?: readonly FieldViolation[];
  /** When trying again makes sense, in milliseconds from now. */
  readonly retryAfterMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
};

/**
 * A refusal that the caller may see: its message names what is wrong and reveals nothing else. It has no stack of its own: it is an answer,
 * given as often as unauthenticated callers like, and collecting a stack costs more than the rest of it. `cause` keeps the stack of a real fault.
 */
export class DomainError extends Error {
  readonly reason: ErrorReason;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: ErrorReason, message: string, detail: ErrorDetail = {}) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, { cause: detail.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'DomainError';
    this.reason = reason;
    this.violations = detail.violations ?? [];
    this.retryAfterMs = detail.retryAfterMs;
    this.metadata = detail.metadata ?? {};
  }
}

/** VALIDATION_FAILED for all the violations at once. */
export function validationFailed(violations: readonly FieldViolation[]): DomainError {
  const summary = violations
    .map(({ field, description }) => (field === '' ? description : `${field}: ${description}`))
    .join('; ');
  return new DomainError('VALIDATION_FAILED', summary, { violations });
}
