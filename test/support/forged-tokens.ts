// Tokens that a service under test should take, and tokens that are wrong in exactly one way.

import { createHmac, generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';
import { exportJWK, exportSPKI, SignJWT, type JWTHeaderParameters } from 'jose';
import type { App } from '../../src/app.ts';
import { DAY_MS, sampleSession, sampleUser } from './samples.ts';

/** Claims as they stand in the token; undefined leaves one out. */
export type Claims = Readonly<Record<string, unknown>>;

const TYPE = 'at+jwt';
const MINUTE_S = 60;

/** Every scope that some role grants. */
export function allScopes(app: App): string[] {
  return [...app.roleDirectory.grantedBy('super_admin')];
}

/** The claims of a good token of an administrator who may do everything. */
export function goodClaims(app: App): Claims {
  const now = Math.floor(app.clock.now() / 1000);
  return {
    iss: app.config.ISSUER,
    sub: randomUUID(),
    aud: [app.config.AUDIENCE],
    exp: now + 10 * MINUTE_S,
    iat: now,
    nbf: now,
    jti: randomUUID(),
    client_id: 'latchkey',
    sid: randomUUID(),
    scope: allScopes(app).join(' '),
    role: 'super_admin',
    ver: 1,
    amr: ['pwd'],
    auth_time: now,
  };
}

/** A token truly signed by the service's own key; good but for what `changes` and `header` say. */
export async function signToken(app: App, changes: Claims = {}, header: Claims = {}): Promise<string> {
  const key = app.keyset.signer();
  const entries = Object.entries({ alg: key.algorithm, typ: TYPE, kid: key.kid, ...header });
  const kept = Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  return new SignJWT({ ...goodClaims(app), ...changes })
    .setProtectedHeader(kept as JWTHeaderParameters)
    .sign(key.privateKey);
}

/** Tokens that claim an algorithm other than the key's, signed as well as an attacker can. */
export async function wrongAlgorithmTokens(app: App): Promise<Record<string, string>> {
  const { kid, publicKey } = app.keyset.signer();
  const spki = await exportSPKI(publicKey);
  const jwk = await exportJWK(publicKey);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const hmac = (secret: string | Buffer) => (text: string) =>
    createHmac('sha256', secret).update(text).digest();
  const byRsa = (text: string) => sign('sha256', Buffer.from(text), rsa);
  const make = (alg: string, signer: (text: string) => Buffer) =>
    assemble({ alg, typ: TYPE, kid }, goodClaims(app), signer);
  return {
    'HS256 with the public key as PEM': make('HS256', hmac(spki)),
    'HS256 with the public key as trimmed PEM': make('HS256', hmac(spki.trim())),
    'HS256 with the public key as JWK': make('HS256', hmac(JSON.stringify(jwk))),
    'HS256 with the x coordinate': make('HS256', hmac(Buffer.from(jwk.x ?? '', 'base64url'))),
    'RS256 by a key of our own': make('RS256', byRsa),
    'PS256 by a key of our own': make('PS256', byRsa),
    'EdDSA in name alone': make('EdDSA', () => Buffer.alloc(64)),
    'ES384 in name alone': make('ES384', () => Buffer.alloc(96)),
  };
}

/** Tokens without a signature worth the name, in many spellings. */
export async function unsignedTokens(app: App): Promise<Record<string, string>> {
  const { kid } = app.keyset.signer();
  const realSignature = (await signToken(app)).split('.')[2] ?? '';
  const spellings = ['none', 'None', 'NONE', 'nOnE', 'none ', ''];
  const bare = spellings.map((alg): [string, string] => [
    `alg "${alg}" with no signature`,
    assemble({ alg, typ: TYPE, kid }, goodClaims(app), () => Buffer.alloc(0)),
  ]);
  const borrowed = assemble({ alg: 'none', typ: TYPE, kid }, goodClaims(app), () =>
    Buffer.from(realSignature, 'base64url'),
  );
  const noAlgorithm = assemble({ typ: TYPE, kid }, goodClaims(app), () => Buffer.alloc(0));
  return {
    ...Object.fromEntries(bare),
    'alg none with the signature of another token': borrowed,
    'no alg at all': noAlgorithm,
    'a good token whose signature was cut off': (await signToken(app)).replace(/[^.]+$/, ''),
  };
}

/** Tokens signed by a key that is not the service's. */
export async function strangersTokens(app: App): Promise<Record<string, string>> {
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = stranger.publicKey.export({ format: 'jwk' });
  const { kid } = app.keyset.signer();
  const make = (header: Claims) =>
    assemble({ alg: 'ES256', typ: TYPE, ...header }, goodClaims(app), ecdsa(stranger.privateKey));
  return {
    'an unknown kid': make({ kid: randomUUID() }),
    'our own kid': make({ kid }),
    'no kid': make({}),
    'its public key in the header': make({ kid, jwk }),
    'a jku in the header': make({ kid, jku: 'https://evil.example/jwks.json' }),
  };
}

/** A compact JWS over any header and claims. */
export function assemble(header: Claims, claims: Claims, signer: (text: string) => Buffer): string {
  const text = `${segment(header)}.${segment(claims)}`;
  return `${text}.${signer(text).toString('base64url')}`;
}

function ecdsa(key: KeyObject): (text: string) => Buffer {
  return (text) => sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
}

function segment(value: Claims): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** An API key of a new service account with `scopes`, and the ids of both. */
export async function issueApiKey(app: App, scopes: readonly string[]) {
  const ownerId = app.newId();
  await app.serviceAccounts.insert({
    id: ownerId,
    name: `service-${ownerId}`,
    scopes,
    createTime: app.clock.now(),
  });
  return insertKey(app, scopes, { ownerId, ownerKind: 'service' });
}

/** As `issueApiKey`, of a new administrator who may do everything. */
export async function issuePersonsKey(app: App, scopes: readonly string[]) {
  const user = sampleUser({ role: 'super_admin', createTime: app.clock.now() });
  await app.users.insert(user);
  return insertKey(app, scopes, { ownerId: user.id, ownerKind: 'user' });
}

async function insertKey(
  app: App,
  scopes: readonly string[],
  owner: { readonly ownerId: string; readonly ownerKind: 'user' | 'service' },
) {
  const id = app.newId();
  const { text, digest } = app.apiKeyCodec.create(id);
  await app.apiKeys.insert({
    id,
    digest,
    ...owner,
    displayName: 'test',
    scopes,
    allowedCidrs: [],
    createTime: app.clock.now(),
    expireTime: undefined,
  });
  return { id, ownerId: owner.ownerId, text };
}

/** The cookie of a new session of a new administrator who may do everything. */
export async function openCookieSession(app: App): Promise<string> {
  const now = app.clock.now();
  const user = sampleUser({ role: 'super_admin', createTime: now });
  await app.users.insert(user);
  const session = sampleSession(user.id, {
    usesCookie: true,
    authTime: now,
    lastSeenTime: now,
    expireTime: now + DAY_MS,
    maxExpireTime: now + DAY_MS,
  });
  await app.sessions.insert(session);
  return app.sessionCookieCodec.write({ sessionId: session.id, salt: session.salt });
}
