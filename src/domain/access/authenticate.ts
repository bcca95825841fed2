// From the credentials on a call to its principal.

import { API_KEY_PREFIX } from '../api-key/api-key.ts';
import { DomainError } from '../errors.ts';
import type { ErrorReason } from '../errors.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import { after } from '../maybe-promise.ts';
import type { AssessDeps, InactiveReason } from '../token/assess-token.ts';
import { assessAccessToken, assessApiKey } from '../token/assess-token.ts';
import type { Principal } from './principal.ts';

/** The credentials as they stand on the call, unread. */
export type PresentedCredentials = {
  /** The values of `authorization`. */
  readonly authorization: readonly string[];
  /** The values of `x-api-key`. */
  readonly apiKey: readonly string[];
  /** Where the call comes from; worked out when it is read. */
  readonly clientAddress: string;
};

const BEARER = /^Bearer +([\x21-\x7E]+)$/i;

/**
 * The principal of the call. `authorization` decides alone when it is there: an invalid credential is never papered over by a second one.
 * Errors: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED, REVOCATIONS_STALE, STORAGE_UNAVAILABLE.
 */
export function authenticate(deps: AssessDeps, presented: PresentedCredentials): MaybePromise<Principal> {
  const credential = readCredential(presented);
  const assessed = credential.startsWith(API_KEY_PREFIX)
    ? assessApiKey(deps, credential, presented)
    : assessAccessToken(deps, credential, deps.audience);
  return after(assessed, (verdict) => {
    if (verdict.active) return verdict.principal;
    throw refusal(verdict.reason);
  });
}

function readCredential(presented: PresentedCredentials): string {
  if (presented.authorization.length > 0) return readBearer(presented.authorization);
  const [key, second] = presented.apiKey;
  if (key === undefined) {
    throw new DomainError(
      'TOKEN_MISSING',
      'This call needs a credential: `authorization: Bearer <token>` or `x-api-key: <key>`.',
    );
  }
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

function refusal(reason: InactiveReason): DomainError {
  const [errorReason, message] = REFUSALS[reason];
  return new DomainError(errorReason, message);
}
