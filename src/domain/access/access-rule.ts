// What an RPC asks of its caller, and whether a caller has it.

import { DomainError } from '../errors.ts';
import type { CredentialKind, Principal } from './principal.ts';

/** Guarded access: one of the kinds of credential, all of the scopes, and a recent enough login. */
export type GuardedAccess = {
  readonly credentials: readonly CredentialKind[];
  readonly scopes: readonly string[];
  readonly maxAuthAgeMs: number | undefined;
};

/**
 * Refuses a caller who may not make the call. Errors: CREDENTIAL_NOT_ALLOWED, INSUFFICIENT_SCOPE (names the missing scopes),
 * STEP_UP_REQUIRED (names the age allowed, RFC 9470).
 */
export function requireAccess(rule: GuardedAccess, principal: Principal, now: number): void {
  if (!rule.credentials.includes(principal.credential)) {
    throw new DomainError('CREDENTIAL_NOT_ALLOWED', 'This kind of credential cannot make this call.', {
      metadata: { allowed: rule.credentials.join(' ') },
    });
  }
  const missing = rule.scopes.filter((scope) => !principal.scopes.includes(scope));
  if (missing.length > 0) {
    throw new DomainError('INSUFFICIENT_SCOPE', `The credential lacks the scope ${missing.join(' ')}.`, {
      metadata: { missing_scopes: missing.join(' ') },
    });
  }
  if (rule.maxAuthAgeMs === undefined) return;
  if (principal.authTime !== undefined && now - principal.authTime <= rule.maxAuthAgeMs) return;
  const seconds = String(Math.floor(rule.maxAuthAgeMs / 1000));
  throw new DomainError(
    'STEP_UP_REQUIRED',
    `Call Reauthenticate, or log in again: this call wants a login at most ${seconds} s old.`,
    {
      metadata: { max_auth_age_seconds: seconds },
    },
  );
}

/** Refuses who has not logged in: a token that was exchanged for an API key is no session's. Errors: CREDENTIAL_NOT_ALLOWED. */
export function requireLogin(principal: Principal): void {
  if (principal.authTime !== undefined) return;
  throw new DomainError('CREDENTIAL_NOT_ALLOWED', 'Only somebody who has logged in can make this call.', {
    metadata: { allowed: 'access_token session_cookie' },
  });
}
