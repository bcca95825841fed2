// What an RPC asks of its caller, and whether a caller has it.

import { DomainError } from '../errors.ts';
import type { CredentialKind, Principal } from './principal.ts';

/** Guarded access: one of the kinds of credential, all of the scopes, and a login where one is wanted. */
export type GuardedAccess = {
  readonly credentials: readonly CredentialKind[];
  readonly scopes: readonly string[];
  readonly maxAuthAgeMs: number | undefined;
  /** Whether a service account has nothing that the call could act on. */
  readonly peopleOnly: boolean;
  /** Whether only who has logged in may call. */
  readonly loginRequired: boolean;
  /** Whether service accounts, which cannot log in, may call without a login. */
  readonly servicesExempt: boolean;
};

/**
 * Refuses a caller who may not make the call. Errors: CREDENTIAL_NOT_ALLOWED (the kind of credential, a service account where a person is needed,
 * an API key or a token exchanged for one where a login is), INSUFFICIENT_SCOPE (names the missing scopes), STEP_UP_REQUIRED (names the age
 * allowed, RFC 9470).
 */
export function requireAccess(rule: GuardedAccess, principal: Principal, now: number): void {
  if (!rule.credentials.includes(principal.credential))
    throw notAllowed(rule, 'This kind of credential cannot make this call.');
  const isService = principal.kind === 'service';
  if (rule.peopleOnly && isService)
    throw notAllowed(rule, 'This call is about the account of a person; a service account has none.');
  const isExempt = rule.servicesExempt && isService;
  if (rule.loginRequired && !isExempt && principal.authTime === undefined)
    throw notAllowed(
      { credentials: ['access_token', 'session_cookie'] },
      'Only a person who has logged in can make this call.',
    );
  requireScopes(principal, rule.scopes);
  if (rule.maxAuthAgeMs === undefined || isExempt) return;
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

/** Errors: INSUFFICIENT_SCOPE (names the missing scopes). */
export function requireScopes(principal: Pick<Principal, 'scopes'>, scopes: readonly string[]): void {
  const missing = scopes.filter((scope) => !principal.scopes.includes(scope));
  if (missing.length === 0) return;
  throw new DomainError('INSUFFICIENT_SCOPE', `The credential lacks the scope ${missing.join(' ')}.`, {
    metadata: { missing_scopes: missing.join(' ') },
  });
}

function notAllowed({ credentials }: Pick<GuardedAccess, 'credentials'>, message: string): DomainError {
  return new DomainError('CREDENTIAL_NOT_ALLOWED', message, {
    metadata: { allowed: credentials.join(' ') },
  });
}
