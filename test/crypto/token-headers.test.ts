// Holds the access token verifier against tampered JOSE headers: the key decides the algorithm, never the token (RFC 8725).

import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';

import { forge, segment, tokenForge } from './token-forge.ts';

const INVALID = { fault: 'invalid' };
const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' });

describe('the header of an access token', () => {
  let world: Awaited<ReturnType<typeof tokenForge>>;
  beforeAll(async () => {
    world = await tokenForge();
  });

  const verify = async (token: string) => world.verifier.verify(token);
  const withHeader = (change: Record<string, unknown>) =>
    forge(world.privateKey, { ...world.header, ...change }, world.payload);

  it('is accepted as it should be (else nothing below proves anything)', async () => {
    expect(await verify(withHeader({}))).toMatchObject({ claims: { subjectId: 'user-1' } });
  });

  it.each(['none', 'None', 'NONE', 'nOnE', 'none ', ' none', 'none\u0000', '', null, undefined, 0, ['none']])(
    'does not switch the signature off by alg %j',
    async (alg) => {
      const unsigned = `${segment({ ...world.header, alg })}.${segment(world.payload)}`;
      const [, , signature = ''] = withHeader({}).split('.');
      expect(await verify(`${unsigned}.`)).toEqual(INVALID);
      expect(await verify(`${unsigned}.${signature}`)).toEqual(INVALID);
      expect(await verify(withHeader({ alg }))).toEqual(INVALID);
    },
  );

  it.each(['HS256', 'HS384', 'HS512'])('does not take the public key for a secret of %s', async (alg) => {
    const publicKey = createPublicKey(world.privateKey);
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const secrets = [
      pem,
      pem.trim(),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(world.key.publicJwk),
      JSON.stringify(publicKey.export({ format: 'jwk' })),
      '',
    ];
    for (const secret of secrets) {
      const signed = `${segment({ ...world.header, alg })}.${segment(world.payload)}`;
      const mac = createHmac(alg.replace('HS', 'sha'), secret).update(signed).digest('base64url');
      expect(await verify(`${signed}.${mac}`)).toEqual(INVALID);
    }
  });

  it.each(['ES384', 'ES512', 'ES256K', 'EdDSA', 'Ed25519', 'RS256', 'PS256', 'es256', 'ES256 '])(
    'names the algorithm of its key, not %s',
    async (alg) => {
      expect(await verify(withHeader({ alg }))).toEqual(INVALID);
    },
  );

  it.each([
    'JWT',
    'jwt',
    'application/jwt',
    'at jwt',
    'at+jwt+x',
    ' at+jwt',
    'id+jwt',
    'text/at+jwt',
    '',
    null,
    undefined,
    7,
    ['at+jwt'],
  ])('has a type other than %j', async (typ) => {
    expect(await verify(withHeader({ typ }))).toEqual(INVALID);
  });

  // RFC 7515, section 4.1.9: a media type, so case does not matter and `application/` may be left out.
  it.each(['AT+JWT', 'application/at+jwt'])('may spell its type %s', async (typ) => {
    expect(await verify(withHeader({ typ }))).toHaveProperty('claims');
  });

  it.each([
    undefined,
    null,
    '',
    'unknown',
    '../../../../dev/null',
    '/etc/passwd',
    'file:///dev/null',
    "x' OR '1'='1",
    "'; DROP TABLE signing_keys; --",
    '__proto__',
    'constructor',
    'https://attacker.example/key',
    'a\u0000b',
    5,
    {},
    ['kid'],
  ])('is refused with the key id %j', async (kid) => {
    expect(await verify(withHeader({ kid }))).toEqual(INVALID);
  });

  it('does not bring its own key', async () => {
    const jwk = attacker.publicKey.export({ format: 'jwk' });
    const der = attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const smuggled = [
      {},
      { jwk },
      { jwk: { ...jwk, kid: world.key.kid, alg: 'ES256', use: 'sig' } },
      { jku: 'https://attacker.example/jwks.json' },
      { x5u: 'https://attacker.example/cert.pem' },
      { x5c: [der] },
      { x5t: 'AAAA', 'x5t#S256': 'AAAA', x5c: [der] },
    ];
    for (const extra of smuggled) {
      for (const kid of [world.key.kid, 'attacker']) {
        const token = forge(attacker.privateKey, { ...world.header, kid, ...extra }, world.payload);
        expect(await verify(token)).toEqual(INVALID);
      }
    }
  });

  it('may carry key material, which is ignored', async () => {
    const jwk = attacker.publicKey.export({ format: 'jwk' });
    expect(await verify(withHeader({ jwk, jku: 'https://attacker.example/jwks.json' }))).toHaveProperty(
      'claims',
    );
  });

  it.each([
    { crit: ['exp'], exp: 1 },
    { crit: ['x-unknown'], 'x-unknown': true },
    { crit: ['x-absent'] },
    { crit: [] },
    { crit: 'alg' },
    { crit: [''] },
    { crit: ['b64'], b64: false },
  ])('asks for nothing critical: %j', async (change) => {
    expect(await verify(withHeader(change))).toEqual(INVALID);
  });

  it('counts the last of two members of one name, in every check alike (RFC 7515, section 4)', async () => {
    const { kid } = world.key;
    const forged = [
      `{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"${kid}"}`,
      `{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"${kid}"}`,
      `{"alg":"ES256","typ":"at+jwt","kid":"attacker","kid":"${kid}"}`,
    ];
    for (const header of forged) {
      expect(await verify(forge(attacker.privateKey, header, world.payload))).toEqual(INVALID);
      expect(await verify(`${segment(header)}.${segment(world.payload)}.`)).toEqual(INVALID);
    }
    const unknownLast = `{"alg":"ES256","typ":"at+jwt","kid":"${kid}","kid":"attacker"}`;
    expect(await verify(forge(world.privateKey, unknownLast, world.payload))).toEqual(INVALID);
  });

  it.each(['null', '[]', '5', '"ES256"', '{', '', '\uFEFF{}', '['.repeat(5_000)])(
    'is an object, not %.20s',
    async (header) => {
      expect(await verify(forge(world.privateKey, header, world.payload))).toEqual(INVALID);
    },
  );
});
