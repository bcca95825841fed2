// ValidateToken: the verdict on another caller's token, for gateways and backends.

import type { Principal } from '../access/principal.ts';
import { API_KEY_PREFIX } from '../api-key/api-key.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import { after } from '../maybe-promise.ts';
import { SESSION_COOKIE_PREFIX } from '../session/session-cookie.ts';
import { assessSessionCookie } from './assess-session-cookie.ts';
import type { ActiveToken, AssessDeps, InactiveReason, TokenVerdict } from './assess-token.ts';
import { assessAccessToken, assessApiKey } from './assess-token.ts';

export type ValidateTokenInput = {
  readonly token: string;
  /** Empty for the server's own. */
  readonly audience: string;
  readonly requiredScopes: readonly string[];
};

export type ValidateTokenResult =
  | ActiveToken
  | { readonly active: false; readonly reason: InactiveReason }
  | {
      readonly active: false;
      readonly reason: 'insufficient_scope';
      readonly principal: Principal;
      readonly missingScopes: readonly string[];
    };

/** The verdict; an inactive token is a result. Errors: REVOCATIONS_STALE, STORAGE_UNAVAILABLE (API keys and session cookies alone). */
export function validateToken(
  deps: AssessDeps,
  input: ValidateTokenInput,
): MaybePromise<ValidateTokenResult> {
  const audience = input.audience === '' ? deps.audience : input.audience;
  return after(assess(deps, input.token, audience), (verdict) =>
    requireScopes(verdict, input.requiredScopes),
  );
}

function requireScopes(verdict: TokenVerdict, requiredScopes: readonly string[]): ValidateTokenResult {
  if (!verdict.active || requiredScopes.length === 0) return verdict;
  const { principal } = verdict;
  const missingScopes = requiredScopes.filter((scope) => !principal.scopes.includes(scope));
  if (missingScopes.length === 0) return verdict;
  return { active: false, reason: 'insufficient_scope', principal, missingScopes };
}

function assess(deps: AssessDeps, token: string, audience: string): MaybePromise<TokenVerdict> {
  const isCookie = token.startsWith(SESSION_COOKIE_PREFIX);
  if (!isCookie && !token.startsWith(API_KEY_PREFIX)) return assessAccessToken(deps, token, audience);
  // A key or a cookie speaks to this service alone.
  if (audience !== deps.audience) return { active: false, reason: 'wrong_audience' };
  if (isCookie) return assessSessionCookie(deps, token);
  // The address of this caller is not that of the client that showed it the key.
  return assessApiKey(deps, token, undefined);
}
