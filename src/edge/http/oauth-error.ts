// From refusals to what OAuth says over HTTP: status, error code (RFC 6749, section 5.2; RFC 6750, section 3.1) and challenge.

import type { ErrorReason } from '../../domain/errors.ts';
import { DomainError } from '../../domain/errors.ts';
import { RequestFault } from '../messages/request-fault.ts';

/** A refusal as it goes out. */
export type OAuthError = {
  readonly status: number;
  readonly error: string;
  readonly description: string;
  /** For the log. */
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
};

const REALM = 'realm="latchkey"';
const DEFAULT_RETRY_MS = 1_000;

type Rule = { readonly status: number; readonly error: string };

const UNAVAILABLE: Rule = { status: 503, error: 'temporarily_unavailable' };
const INVALID_TOKEN: Rule = { status: 401, error: 'invalid_token' };
const FORBIDDEN: Rule = { status: 403, error: 'insufficient_scope' };

/** What the use cases behind these endpoints refuse with; any other reason would be our bug. */
const RULES: Readonly<Partial<Record<ErrorReason, Rule>>> = {
  TOKEN_MISSING: { status: 401, error: 'invalid_client' },
  TOKEN_INVALID: INVALID_TOKEN,
  TOKEN_EXPIRED: INVALID_TOKEN,
  TOKEN_REVOKED: INVALID_TOKEN,
  INSUFFICIENT_SCOPE: FORBIDDEN,
  CREDENTIAL_NOT_ALLOWED: FORBIDDEN,
  RATE_LIMITED: { status: 429, error: 'temporarily_unavailable' },
  OVERLOADED: UNAVAILABLE,
  CONFLICT: UNAVAILABLE,
  STORAGE_UNAVAILABLE: UNAVAILABLE,
  REVOCATIONS_STALE: UNAVAILABLE,
  DEADLINE_EXCEEDED: UNAVAILABLE,
  // For the log alone: nobody is there to be told.
  CALL_CANCELLED: { status: 499, error: 'invalid_request' },
};

/** What the caller is told of `error`; anything that is no refusal is our bug, and the caller learns the request id alone. */
export function toOAuthError(error: unknown, requestId: string, triedSecret: boolean): OAuthError {
  if (error instanceof RequestFault) return ofRefusal(error);
  const rule = error instanceof DomainError ? RULES[error.reason] : undefined;
  if (!(error instanceof DomainError) || rule === undefined) {
    const description = `Internal error. Tell the operators this request id: ${requestId}`;
    return { status: 500, error: 'server_error', description, reason: 'INTERNAL', headers: {} };
  }
  const isBadClient = rule.status === 401 && triedSecret;
  return {
    status: rule.status,
    error: isBadClient ? 'invalid_client' : rule.error,
    description: error.message,
    reason: error.reason,
    headers: headersOf(rule, error, triedSecret),
  };
}

function ofRefusal({ status, message }: RequestFault): OAuthError {
  return {
    status,
    error: 'invalid_request',
    description: message,
    reason: 'VALIDATION_FAILED',
    headers: status === 405 ? { allow: 'POST' } : {},
  };
}

function headersOf(rule: Rule, error: DomainError, triedSecret: boolean): Record<string, string> {
  if (rule.status === 401 || rule.status === 403)
    return { 'www-authenticate': challenge(rule, error, triedSecret) };
  if (rule.status !== 503 && rule.status !== 429) return {};
  const seconds = Math.ceil((error.retryAfterMs ?? DEFAULT_RETRY_MS) / 1000);
  return { 'retry-after': String(Math.max(1, seconds)) };
}

// Who showed nothing is told the ways to do so, and no error code (RFC 6750, section 3.1).
function challenge(rule: Rule, error: DomainError, triedSecret: boolean): string {
  if (error.reason === 'TOKEN_MISSING') return `Bearer ${REALM}, Basic ${REALM}`;
  if (rule.status === 401 && triedSecret) return `Basic ${REALM}`;
  const missing = error.metadata['missing_scopes'];
  const scope = missing === undefined ? '' : `, scope="${missing}"`;
  return `Bearer ${REALM}, error="${rule.error}", error_description="${error.message}"${scope}`;
}
