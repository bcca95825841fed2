// Access tokens: what they say, and the ports that write and read them.

import type { MaybePromise } from '../maybe-promise.ts';

/** The claims of one access token (RFC 9068, section 2.2). Times are epoch milliseconds, whole seconds on the wire. */
export type AccessTokenClaims = {
  readonly tokenId: string;
  readonly subjectId: string;
  readonly subjectKind: 'user' | 'service';
  readonly clientId: string;
  readonly sessionId: string | undefined;
  readonly audience: readonly string[];
  readonly issuedAt: number;
  readonly notBefore: number;
  readonly expiresAt: number;
  readonly scopes: readonly string[];
  readonly role: string;
  /** The subject's epoch. */
  readonly version: number;
  readonly amr: readonly string[];
  readonly authTime: number | undefined;
};

/** How far another machine's clock may be off: so long after its end a token still passes. Milliseconds. */
export const CLOCK_SKEW_MS = 5_000;

/**
 * When a token made `now` for `ttlMs` ends, if what it stands for ends at `end`: early enough that, with the tolerance for other clocks, it is
 * dead by then. Never before `now`.
 */
export function endWithin(now: number, ttlMs: number, end: number): number {
  return Math.min(now + ttlMs, Math.max(now, end - CLOCK_SKEW_MS));
}

/** Port: writes tokens. */
export type AccessTokenSigner = { sign(claims: AccessTokenClaims): Promise<string> };

/** Why a text is no good access token, before anyone asks about revocation. */
export type TokenFault = 'invalid' | 'expired' | 'not_yet_valid';

export type VerifiedToken = { readonly claims: AccessTokenClaims } | { readonly fault: TokenFault };

/**
 * Port: reads tokens. Checks signature, type, issuer and algorithm when it first sees a token, key and times every time; audience, revocation and
 * scopes are the caller's to check, each time.
 */
export type AccessTokenVerifier = { verify(token: string): MaybePromise<VerifiedToken> };

/** Port: what is cached of tokens that `AccessTokenVerifier` has verified. */
export type CachedTokens = {
  /** As `verify` answers for the token with these bytes, which may be any bytes, when it is cached; undefined when it is not. */
  find(token: Uint8Array): VerifiedToken | undefined;
};

/** What tokens and sessions are made of. Durations are milliseconds. */
export type TokenPolicy = {
  readonly audience: string;
  readonly accessTokenTtlMs: number;
  readonly refreshTokenTtlMs: number;
  readonly sessionMaxAgeMs: number;
  readonly refreshGraceMs: number;
};
