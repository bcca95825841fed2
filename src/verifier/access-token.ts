// Reads access tokens (RFC 9068) and checks their signature, by the book (RFC 8725).

import type { CompactJWSHeaderParameters } from 'jose';
import { base64url, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import type { KeySet } from './key-set.ts';

/** What a good token says. Times are epoch milliseconds. */
export type AccessToken = {
  /** `jti`. */
  readonly tokenId: string;
  /** `sub`: the user's or the service account's id. */
  readonly subjectId: string;
  readonly kind: 'user' | 'service';
  /** `sid`: the session, or the API key that the token was exchanged for. */
  readonly sessionId: string | undefined;
  readonly audience: readonly string[];
  /** As signed. What the role has lost since shows only when the token is refreshed, or its subject revoked. */
  readonly scopes: readonly string[];
  /** Empty for a service. */
  readonly role: string;
  /** `ver`: the subject's epoch. */
  readonly version: number;
  /** RFC 8176. */
  readonly amr: readonly string[];
  /** When the person last proved who they are. */
  readonly authTime: number | undefined;
  readonly issuedAt: number;
  readonly notBefore: number;
  readonly expiresAt: number;
  /** The key that signed it. */
  readonly keyId: string;
};

const TYPE = 'at+jwt';
/** How far another machine's clock may be off, as the service counts it. */
export const CLOCK_SKEW_MS = 5_000;

/**
 * What is read of a token: the Claims of src/crypto/tokens/access-token-codec.ts, written down again because other programs import this folder and
 * nothing beside it. test/crypto/two-readers.test.ts holds them equal.
 */
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

/**
 * The token, when a key of the service signed it as an access token of `issuer`; times are the caller's to check. Undefined for any other text.
 * Errors: KeysUnavailableError.
 */
export async function readSigned(
  keySet: KeySet,
  issuer: string,
  text: string,
): Promise<AccessToken | undefined> {
  if (!hasOneSpelling(text)) return undefined;
  try {
    const { payload, protectedHeader } = await jwtVerify(text, (header) => keyFor(keySet, header), {
      typ: TYPE,
      issuer,
      currentDate: new Date(0),
      clockTolerance: Number.MAX_SAFE_INTEGER,
    });
    const claims = Claims.safeParse(payload);
    return claims.success ? fromWire(claims.data, protectedHeader.kid ?? '') : undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

/** Whether the token is out of its time at `now`. */
export function timeFault(token: AccessToken, now: number): 'expired' | 'not_yet_valid' | undefined {
  if (now >= token.expiresAt + CLOCK_SKEW_MS) return 'expired';
  if (now < token.notBefore - CLOCK_SKEW_MS) return 'not_yet_valid';
  return undefined;
}

// The key decides the algorithm, never the token (RFC 8725, section 3.1); jku, jwk, x5u and x5c in the header are not looked at.
async function keyFor(keySet: KeySet, header: CompactJWSHeaderParameters) {
  if (header.kid === undefined) throw new errors.JWSInvalid('kid is missing');
  const key = await keySet.find(header.kid);
  if (key === undefined || key.algorithm !== header.alg) throw new errors.JWKSNoMatchingKey();
  return key.key;
}

// The signature's last character has spare bits: a token with other spare bits would be a second spelling of the same token.
function hasOneSpelling(text: string): boolean {
  const signature = text.slice(text.lastIndexOf('.') + 1);
  try {
    return base64url.encode(base64url.decode(signature)) === signature;
  } catch {
    return false;
  }
}

function fromWire(wire: z.infer<typeof Claims>, keyId: string): AccessToken {
  return {
    tokenId: wire.jti,
    subjectId: wire.sub,
    // A service is the client of its own tokens, a person never is (RFC 9068, section 2.2).
    kind: wire.client_id === wire.sub ? 'service' : 'user',
    sessionId: wire.sid,
    audience: wire.aud,
    scopes: wire.scope === '' ? [] : wire.scope.split(' '),
    role: wire.role,
    version: wire.ver,
    amr: wire.amr,
    authTime: wire.auth_time === undefined ? undefined : wire.auth_time * 1000,
    issuedAt: wire.iat * 1000,
    notBefore: wire.nbf * 1000,
    expiresAt: wire.exp * 1000,
    keyId,
  };
}
