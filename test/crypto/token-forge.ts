// Makes access tokens by hand, well and badly, with everything that it takes to verify them.

import { createPrivateKey, randomBytes, sign, type KeyObject } from 'node:crypto';

import { accessTokenSigner, CachingVerifier } from '../../src/crypto/tokens/access-token-codec.ts';
import { Keyset } from '../../src/crypto/keys/keyset.ts';
import { MasterKey } from '../../src/crypto/keys/master-key.ts';
import { signingKeyMaker } from '../../src/crypto/keys/signing-keys.ts';
import type { SigningAlgorithm, SigningKey } from '../../src/domain/keyset/signing-key.ts';
import type { AccessTokenClaims } from '../../src/domain/token/access-token.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** The issuer of every good token. */
export const ISSUER = 'https://id.example.com';
/** How long a good token lives. */
export const TOKEN_TTL_MS = 900_000;

/** A JSON object, or its text. */
export type Json = Readonly<Record<string, unknown>> | string;

/** Stored keys, counting how often they are read. */
export class StoredKeys {
  keys: SigningKey[];
  reads = 0;

  constructor(keys: SigningKey[]) {
    this.keys = keys;
  }

  readonly list = async (): Promise<readonly SigningKey[]> => {
    this.reads += 1;
    return this.keys;
  };

  readonly schedule = async (): Promise<readonly SigningKey[]> => this.keys;
}

/** One signing key, a verifier that trusts it, and the private half to forge with. */
export async function tokenForge(algorithm: SigningAlgorithm = 'ES256') {
  const clock = new FakeClock();
  const masterKey = new MasterKey(randomBytes(32));
  const newKey = signingKeyMaker(masterKey);
  const key = await newKey(algorithm, clock.now(), clock.now());
  const stored = new StoredKeys([key]);
  const keyset = new Keyset({ signingKeys: stored, sealer: masterKey, clock });
  await keyset.reload();
  return {
    clock,
    masterKey,
    newKey,
    key,
    stored,
    keyset,
    privateKey: privateHalf(masterKey, key),
    signer: accessTokenSigner({ keyset, issuer: ISSUER }),
    verifier: new CachingVerifier({ keyset, clock, issuer: ISSUER, maxCacheBytes: 4_194_304 }),
    header: { alg: algorithm, typ: 'at+jwt', kid: key.kid },
    payload: payloadAt(clock.now()),
  };
}

/** The claims of a good token. */
export function claimsAt(now: number): AccessTokenClaims {
  return {
    tokenId: 'token-1',
    subjectId: 'user-1',
    subjectKind: 'user',
    clientId: 'latchkey',
    sessionId: 'session-1',
    audience: ['https://api.example.com'],
    issuedAt: now,
    notBefore: now,
    expiresAt: now + TOKEN_TTL_MS,
    scopes: ['account:read', 'account:write'],
    role: 'user',
    version: 3,
    amr: ['pwd'],
    authTime: now - 60_000,
  };
}

/** The same on the wire. */
export function payloadAt(now: number): Record<string, unknown> {
  const seconds = now / 1000;
  return {
    iss: ISSUER,
    sub: 'user-1',
    aud: ['https://api.example.com'],
    exp: seconds + TOKEN_TTL_MS / 1000,
    iat: seconds,
    nbf: seconds,
    jti: 'token-1',
    client_id: 'latchkey',
    sid: 'session-1',
    scope: 'account:read account:write',
    role: 'user',
    ver: 3,
    amr: ['pwd'],
    auth_time: seconds - 60,
  };
}

/** base64url of JSON or of a text as it is. */
export function segment(json: Json): string {
  return Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)).toString('base64url');
}

/** A compact JWS over any header and payload, truly signed by an ECDSA, EdDSA or RSA key. */
export function forge(key: KeyObject, header: Json, payload: Json): string {
  const signed = `${segment(header)}.${segment(payload)}`;
  return `${signed}.${signBytes(key, signed).toString('base64url')}`;
}

/** The raw JOSE signature (RFC 7518, section 3.4 for ECDSA). */
export function signBytes(key: KeyObject, signed: string): Buffer {
  const digest = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return sign(digest, Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
}

function privateHalf(masterKey: MasterKey, key: SigningKey): KeyObject {
  return createPrivateKey(
    Buffer.from(masterKey.unseal('signing-key', key.kid, key.sealedPrivateKey)).toString(),
  );
}
