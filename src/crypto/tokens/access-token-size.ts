// How large an access token becomes: written like a real one, with the longest value of every other claim, and not signed.

import type { AccessTokenSizer } from '../../domain/access/token-size.ts';
import type { AccessTokenClaims } from '../../domain/token/access-token.ts';
import { claimsToWire } from './access-token-codec.ts';

const UUID = '00000000-0000-7000-8000-000000000000';
const LATEST_MS = 253_402_300_799_000;
const BIGGEST_VERSION = 2_147_483_647;
/** RS256 with 3072 bits has the longest signature of the algorithms; a token of any other is shorter. */
const SIGNATURE_LENGTH = base64Length(384);
const HEADER = JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: 'x'.repeat(43) });
const METHODS = ['pwd', 'otp', 'mfa', 'hwk', 'user'];

/** The size of tokens of this issuer for this audience. */
export function accessTokenSizer(options: {
  readonly issuer: string;
  readonly audience: string;
}): AccessTokenSizer {
  return (role, scopes) => {
    const claims: AccessTokenClaims = {
      tokenId: UUID,
      subjectId: UUID,
      subjectKind: 'user',
      clientId: UUID,
      sessionId: UUID,
      audience: [options.audience],
      issuedAt: LATEST_MS,
      notBefore: LATEST_MS,
      expiresAt: LATEST_MS,
      scopes,
      role,
      version: BIGGEST_VERSION,
      amr: METHODS,
      authTime: LATEST_MS,
    };
    const payload = JSON.stringify(claimsToWire(options.issuer, claims));
    return base64Length(HEADER.length) + base64Length(Buffer.byteLength(payload)) + SIGNATURE_LENGTH + 2;
  };
}

function base64Length(bytes: number): number {
  return Math.ceil((bytes * 4) / 3);
}
