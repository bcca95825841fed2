// The one table from domain errors to gRPC status codes, and what an error says on the wire.

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import type { ErrorReason } from '../../domain/errors.ts';
import { DomainError } from '../../domain/errors.ts';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '../../../gen/google/rpc/error_details_pb.ts';

const CODES: Readonly<Record<ErrorReason, Code>> = {
  TOKEN_MISSING: Code.Unauthenticated,
  TOKEN_INVALID: Code.Unauthenticated,
  TOKEN_EXPIRED: Code.Unauthenticated,
  TOKEN_REVOKED: Code.Unauthenticated,
  INVALID_CREDENTIALS: Code.Unauthenticated,
  MFA_CODE_INVALID: Code.Unauthenticated,
  REFRESH_TOKEN_REUSED: Code.Unauthenticated,
  STEP_UP_REQUIRED: Code.Unauthenticated,
  INSUFFICIENT_SCOPE: Code.PermissionDenied,
  CREDENTIAL_NOT_ALLOWED: Code.PermissionDenied,
  VALIDATION_FAILED: Code.InvalidArgument,
  PASSWORD_POLICY: Code.InvalidArgument,
  PASSWORD_BREACHED: Code.InvalidArgument,
  RATE_LIMITED: Code.ResourceExhausted,
  ACCOUNT_LOCKED: Code.ResourceExhausted,
  OVERLOADED: Code.ResourceExhausted,
  EMAIL_NOT_VERIFIED: Code.FailedPrecondition,
  REGISTRATION_CLOSED: Code.FailedPrecondition,
  MFA_ALREADY_ENABLED: Code.FailedPrecondition,
  MFA_NOT_ENABLED: Code.FailedPrecondition,
  MFA_NOT_PENDING: Code.FailedPrecondition,
  API_KEY_LIMIT: Code.FailedPrecondition,
  ROLE_IN_USE: Code.FailedPrecondition,
  ROTATION_PENDING: Code.FailedPrecondition,
  ROLE_PROTECTED: Code.FailedPrecondition,
  ACCOUNT_SUSPENDED: Code.FailedPrecondition,
  EMAIL_TAKEN: Code.AlreadyExists,
  USERNAME_TAKEN: Code.AlreadyExists,
  NAME_TAKEN: Code.AlreadyExists,
  USER_NOT_FOUND: Code.NotFound,
  SESSION_NOT_FOUND: Code.NotFound,
  API_KEY_NOT_FOUND: Code.NotFound,
  ROLE_NOT_FOUND: Code.NotFound,
  SERVICE_ACCOUNT_NOT_FOUND: Code.NotFound,
  CONFLICT: Code.Aborted,
  STORAGE_UNAVAILABLE: Code.Unavailable,
  REVOCATIONS_STALE: Code.Unavailable,
  SHUTTING_DOWN: Code.Unavailable,
  CALL_CANCELLED: Code.Canceled,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
};

/** ErrorInfo.domain of every error of ours. */
export const ERROR_DOMAIN = 'latchkey';

/** One google.rpc detail with its schema. */
export type RpcErrorDetail = {
  readonly schema: DescMessage;
  readonly value: MessageShape<DescMessage>;
};

/** An error as every protocol sends it. */
export type RpcError = {
  readonly code: Code;
  readonly message: string;
  readonly reason: ErrorReason | 'INTERNAL';
  readonly details: readonly RpcErrorDetail[];
  readonly requestId: string;
  /** When trying again makes sense, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;
};

/** The status that the caller gets for `error`. Anything but a DomainError is our bug: the caller learns the request id and nothing else. */
export function toRpcError(error: unknown, requestId: string): RpcError {
  if (error instanceof DomainError) {
    return {
      code: CODES[error.reason],
      message: error.message,
      reason: error.reason,
      details: detailsOf(error, requestId),
      requestId,
      retryAfterMs: error.retryAfterMs,
    };
  }
  const info = errorInfo('INTERNAL', { request_id: requestId });
  const message = `Internal error. Tell the operators this request id: ${requestId}`;
  return {
    code: Code.Internal,
    message,
    reason: 'INTERNAL',
    details: [info],
    requestId,
    retryAfterMs: undefined,
  };
}

/** The status code of an error. */
export function codeOf(error: unknown): Code {
  return error instanceof DomainError ? CODES[error.reason] : Code.Internal;
}

function errorInfo(reason: string, metadata: Record<string, string>): RpcErrorDetail {
  return {
    schema: ErrorInfoSchema,
    value: create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata }),
  };
}

function detailsOf(error: DomainError, requestId: string): RpcErrorDetail[] {
  const details = [errorInfo(error.reason, { ...error.metadata, request_id: requestId })];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.map((violation) => ({ reason: error.reason, ...violation }));
    details.push({ schema: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) });
  }
  if (error.retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(error.retryAfterMs);
    details.push({ schema: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  }
  return details;
}
