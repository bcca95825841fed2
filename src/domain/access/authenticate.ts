// From the credentials on a call to its principal.

import { API_KEY_PREFIX } from '../api-key/api-key.ts';
import { DomainError } from '../errors.ts';
import type { ErrorDetail, ErrorReason } from '../errors.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import { after } from '../maybe-promise.ts';
import { assessSessionCookie } from '../token/assess-session-cookie.ts';
import type { AssessDeps, InactiveReason, TokenVerdict } from '../token/assess-token.ts';
import { assessAccessToken, assessApiKey } from '../token/assess-token.ts';
import type { Principal } from './principal.ts';

/** The credentials as they stand on the call, unread. */
export type PresentedCredentials = {
  /** The values of `authorization`. */
  readonly authorization: readonly string[];
  /** The values of `x-api-key`. */
  readonly apiKey: readonly string[];
  /** The values of the session cookie, where the call may carry one; worked out when it is read. */
  readonly sessionCookies?: readonly string[];
  /** Where the call comes from; worked out when it is read. */
  readonly clientAddress: string;
};

const BEARER = /^Bearer +([\x21-\x7E]+)$/i;

/**
 * The principal of the call. `authorization` decides alone when it is there, then `x-api-key`, then the cookie: an invalid credential is never
 * papered over by a second one.
 * Errors: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED, REVOCATIONS_STALE, STORAGE_UNAVAILABLE.
 */
export function authenticate(deps: AssessDeps, presented: PresentedCredentials): MaybePromise<Principal> {
  return after(assess(deps, presented), (verdict) => {
    if (verdict.active) return verdict.principal;
    throw refusal(verdict.reason, verdict.isRenewed === true ? RENEWED : {});
  });
}

function assess(deps: AssessDeps, presented: PresentedCredentials): MaybePromise<TokenVerdict> {
  if (presented.authorization.length > 0) {
    const bearer = readBearer(presented.authorization);
    if (bearer.startsWith(API_KEY_PREFIX)) return assessApiKey(deps, bearer, presented);
    return assessAccessToken(deps, bearer, deps.audience);
  }
  if (presented.apiKey.length > 0) return assessApiKey(deps, readApiKey(presented.apiKey), presented);
  const [cookie, second] = presented.sessionCookies ?? [];
  if (cookie === undefined) {
    throw new DomainError(
      'TOKEN_MISSING',
      'This call needs a credential: `authorization: Bearer <token>`, `x-api-key: <key>`, or a session cookie from an allowed origin.',
    );
  }
  if (second !== undefined) throw refusal('invalid');
  return assessSessionCookie(deps, cookie);
}

function readApiKey([key = '', second]: readonly string[]): string {
  if (second !== undefined || !key.startsWith(API_KEY_PREFIX)) throw refusal('invalid');
  return key;
}

function readBearer([authorization = '', second]: readonly string[]): string {
  const bearer = BEARER.exec(authorization)?.[1];
  if (bearer === undefined || second !== undefined) throw refusal('invalid');
  return bearer;
}

const REFUSALS: Readonly<Record<InactiveReason, readonly [ErrorReason, string]>> = {
  invalid: ['TOKEN_INVALID', 'The credential is not valid.'],
  not_yet_valid: ['TOKEN_INVALID', 'The credential is not valid yet.'],
  wrong_audience: ['TOKEN_INVALID', 'The credential is for another audience.'],
  expired: ['TOKEN_EXPIRED', 'The credential has expired.'],
  revoked: ['TOKEN_REVOKED', 'The credential has been revoked.'],
};

/** What a refusal says of a cookie whose session goes on by another one: the browser may have that one already, and must not delete it. */
export const RENEWED: ErrorDetail = { metadata: { cookie: 'renewed' } };

function refusal(reason: InactiveReason, detail: ErrorDetail = {}): DomainError {
  const [errorReason, message] = REFUSALS[reason];
  return new DomainError(errorReason, message, detail);
}
