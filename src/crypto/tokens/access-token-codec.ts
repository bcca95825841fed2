// Signs and verifies access tokens: JWTs of type at+jwt (RFC 9068), checked by the book (RFC 8725).

import { hash } from 'node:crypto';
import { base64url, errors, jwtVerify } from 'jose';
import type { CompactJWSHeaderParameters } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../domain/clock.ts';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import type {
  AccessTokenClaims,
  AccessTokenSigner,
  AccessTokenVerifier,
  CachedTokens,
  VerifiedToken,
} from '../../domain/token/access-token.ts';
import { CLOCK_SKEW_MS } from '../../domain/token/access-token.ts';
import { signCompact } from './compact-jws.ts';
import type { Keyset } from '../keys/keyset.ts';
import type { CachedToken } from '../token-cache/token-cache.ts';
import { TokenCache } from '../token-cache/token-cache.ts';

const TYPE = 'at+jwt';
const MAX_TOKEN_LENGTH = 16_384;

export type AccessTokenCodecDeps = {
  readonly keyset: Pick<Keyset, 'signer' | 'find' | 'has' | 'version'>;
  readonly clock: Clock;
  readonly issuer: string;
  /** How much memory the cache may take. */
  readonly maxCacheBytes: number;
};

/** What is read of a token. src/verifier/access-token.ts has its own, for it may not import this one: test/crypto/two-readers.test.ts holds them equal. */
export const Claims = z.object({
  jti: z.string().min(1),
  sub: z.string().min(1),
  aud: z.union([z.string().transform((audience) => [audience]), z.array(z.string())]),
  iat: z.number(),
  nbf: z.number(),
  exp: z.number(),
  client_id: z.string(),
  sid: z.string().optional(),
  scope: z.string(),
  role: z.string(),
  ver: z.int(),
  amr: z.array(z.string()).default([]),
  auth_time: z.number().optional(),
});

type Signed = { readonly claims: AccessTokenClaims; readonly kid: string } | { readonly fault: 'invalid' };

const seconds = (milliseconds: number) => Math.floor(milliseconds / 1000);

/** Signs with the key that signs now. Errors: STORAGE_UNAVAILABLE when there is none. */
export function accessTokenSigner(deps: {
  readonly keyset: Pick<Keyset, 'signer'>;
  readonly issuer: string;
}): AccessTokenSigner {
  return {
    sign(claims) {
      const key = deps.keyset.signer();
      return signCompact(key, TYPE, claimsToWire(deps.issuer, claims));
    },
  };
}

/** The claims by their names in the token; times in seconds (RFC 7519, section 4.1). */
export function claimsToWire(issuer: string, claims: AccessTokenClaims): Readonly<Record<string, unknown>> {
  return {
    iss: issuer,
    sub: claims.subjectId,
    aud: [...claims.audience],
    exp: seconds(claims.expiresAt),
    iat: seconds(claims.issuedAt),
    nbf: seconds(claims.notBefore),
    jti: claims.tokenId,
    client_id: claims.clientId,
    ...(claims.sessionId === undefined ? {} : { sid: claims.sessionId }),
    scope: claims.scopes.join(' '),
    role: claims.role,
    ver: claims.version,
    amr: claims.amr,
    ...(claims.authTime === undefined ? {} : { auth_time: seconds(claims.authTime) }),
  };
}

/**
 * Verifies signature, type, issuer, algorithm and times. The claims of a token that proved good are cached until it expires or its key leaves the
 * keyset; times and key are checked on every hit. Signatures are checked in the thread pool, where the hashing slots leave threads free, and once for
 * all who ask for a token at the same time. Errors: STORAGE_UNAVAILABLE when an unknown `kid` cannot be looked up.
 */
export class CachingVerifier implements AccessTokenVerifier, CachedTokens {
  readonly #deps: AccessTokenCodecDeps;
  readonly #cache: TokenCache;
  readonly #underWay = new Map<string, Promise<VerifiedToken>>();

  constructor(deps: AccessTokenCodecDeps) {
    this.#deps = deps;
    this.#cache = new TokenCache(deps.maxCacheBytes);
  }

  verify(token: string): MaybePromise<VerifiedToken> {
    if (token.length > MAX_TOKEN_LENGTH) return { fault: 'invalid' };
    const digest = digestOf(token);
    return this.#find(digest) ?? this.#verifyOnce(token, digest);
  }

  find(token: Uint8Array): VerifiedToken | undefined {
    return this.#find(digestOf(token));
  }

  /** How many tokens are cached, and the bytes that they take. */
  get usage(): { readonly tokens: number; readonly bytes: number } {
    return { tokens: this.#cache.size, bytes: this.#cache.bytes };
  }

  #find(digest: string): VerifiedToken | undefined {
    const cached = this.#cache.find(digest);
    if (cached === undefined) return undefined;
    const fault = this.#isKeyThere(cached) ? timeFault(cached.claims, this.#deps.clock.now()) : 'invalid';
    if (fault === undefined) return { claims: cached.claims };
    this.#cache.delete(digest);
    return { fault };
  }

  #isKeyThere({ set }: CachedToken): boolean {
    const { keyset } = this.#deps;
    if (set.keysetVersion === keyset.version) return true;
    if (!keyset.has(set.kid)) return false;
    set.keysetVersion = keyset.version;
    return true;
  }

  #verifyOnce(token: string, digest: string): Promise<VerifiedToken> {
    const underWay = this.#underWay.get(digest);
    if (underWay !== undefined) return underWay;
    const verified = this.#verifyNew(token, digest).finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, verified);
    return verified;
  }

  async #verifyNew(token: string, digest: string): Promise<VerifiedToken> {
    const { clock, keyset } = this.#deps;
    const signed = await this.#verifySignature(token);
    // A key may leave while it verifies.
    if ('fault' in signed || !keyset.has(signed.kid)) return { fault: 'invalid' };
    const { claims, kid } = signed;
    const now = clock.now();
    const fault = timeFault(claims, now);
    if (fault !== undefined) return { fault };
    return { claims: this.#cache.insert(digest, claims, { kid, keysetVersion: keyset.version }, now) };
  }

  async #verifySignature(token: string): Promise<Signed> {
    if (!hasOneSpelling(token)) return { fault: 'invalid' };
    try {
      // Times are ours to check, so that one rule serves the first look and every later one: jose is given a moment at which they hold.
      const { payload, protectedHeader } = await jwtVerify(token, (header) => this.#keyFor(header), {
        typ: TYPE,
        issuer: this.#deps.issuer,
        currentDate: new Date(0),
        clockTolerance: Number.MAX_SAFE_INTEGER,
      });
      const claims = Claims.safeParse(payload);
      if (!claims.success) return { fault: 'invalid' };
      return { claims: fromWire(claims.data), kid: protectedHeader.kid ?? '' };
    } catch (error) {
      if (error instanceof errors.JOSEError) return { fault: 'invalid' };
      throw error;
    }
  }

  // The key decides the algorithm, never the token (RFC 8725, section 3.1); jku, jwk, x5u and x5c in the header are not looked at.
  async #keyFor(header: CompactJWSHeaderParameters) {
    if (header.kid === undefined) throw new errors.JWSInvalid('kid is missing');
    const key = await this.#deps.keyset.find(header.kid);
    if (key === undefined || key.algorithm !== header.alg) throw new errors.JWKSNoMatchingKey();
    return key.publicKey;
  }
}

// The same for a text and for its bytes in UTF-8.
function digestOf(token: string | Uint8Array): string {
  return hash('sha256', token, 'latin1');
}

// The signature's last character has spare bits: a token with other spare bits would be a second spelling of the same token.
function hasOneSpelling(token: string): boolean {
  const signature = token.slice(token.lastIndexOf('.') + 1);
  try {
    return base64url.encode(base64url.decode(signature)) === signature;
  } catch {
    return false;
  }
}

function timeFault(claims: AccessTokenClaims, now: number): 'expired' | 'not_yet_valid' | undefined {
  if (now >= claims.expiresAt + CLOCK_SKEW_MS) return 'expired';
  if (now < claims.notBefore - CLOCK_SKEW_MS) return 'not_yet_valid';
  return undefined;
}

function fromWire(wire: z.infer<typeof Claims>): AccessTokenClaims {
  return {
    tokenId: wire.jti,
    subjectId: wire.sub,
    // A service is the client of its own tokens, a person never is (RFC 9068, section 2.2; both are ids of ours).
    subjectKind: wire.client_id === wire.sub ? 'service' : 'user',
    clientId: wire.client_id,
    sessionId: wire.sid,
    audience: wire.aud,
    issuedAt: wire.iat * 1000,
    notBefore: wire.nbf * 1000,
    expiresAt: wire.exp * 1000,
    scopes: wire.scope === '' ? [] : wire.scope.split(' '),
    role: wire.role,
    version: wire.ver,
    amr: wire.amr,
    authTime: wire.auth_time === undefined ? undefined : wire.auth_time * 1000,
  };
}
