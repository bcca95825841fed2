// Holds the access token verifier against wrong claims and wrong times, and its cache against bypassing the checks.

import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';

import { claimsAt, forge, ISSUER, TOKEN_TTL_MS, tokenForge } from './token-forge.ts';

const INVALID = { fault: 'invalid' };

describe('the claims of an access token', () => {
  let world: Awaited<ReturnType<typeof tokenForge>>;
  beforeEach(async () => {
    world = await tokenForge();
  });

  const verify = async (token: string) => world.verifier.verify(token);
  const withClaims = (change: Record<string, unknown>) =>
    forge(world.privateKey, world.header, { ...world.payload, ...change });

  it('come back as they were signed', async () => {
    const claims = claimsAt(world.clock.now());
    expect(await verify(await world.signer.sign(claims))).toEqual({ claims });
    expect(await verify(withClaims({}))).toEqual({ claims });
  });

  it('come back as they were signed for a service, which is its own client', async () => {
    const person = claimsAt(world.clock.now());
    const claims = {
      ...person,
      subjectKind: 'service' as const,
      clientId: person.subjectId,
      sessionId: undefined,
      authTime: undefined,
      scopes: [],
      role: '',
      amr: [],
    };
    expect(await verify(await world.signer.sign(claims))).toEqual({ claims });
    const ofKey = { ...claims, sessionId: 'key-1' };
    expect(await verify(await world.signer.sign(ofKey))).toEqual({ claims: ofKey });
  });

  it.each([undefined, null, '', `${ISSUER}/`, ISSUER.toUpperCase(), 'https://evil.example', [], 1])(
    'name our issuer, not %j',
    async (iss) => {
      expect(await verify(withClaims({ iss }))).toEqual(INVALID);
    },
  );

  it.each(['sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'client_id', 'scope', 'role', 'ver'])(
    'hold %s, of its own type',
    async (name) => {
      for (const value of [undefined, null, {}, [1], true]) {
        expect(await verify(withClaims({ [name]: value }))).toEqual(INVALID);
      }
      const isNumber = typeof world.payload[name] === 'number';
      expect(await verify(withClaims({ [name]: isNumber ? '4102444800' : 4_102_444_800 }))).toEqual(INVALID);
    },
  );

  it.each([
    { sid: 5 },
    { sid: null },
    { amr: 'pwd' },
    { auth_time: 'yesterday' },
    { ver: 1.5 },
    { sub: '' },
    { jti: '' },
    { aud: ['a', 5] },
  ])('are not %j', async (change) => {
    expect(await verify(withClaims(change))).toEqual(INVALID);
  });

  it.each(['null', '[]', '5', '"x"', '', '{', '{"exp":1e999}'])('are an object, not %s', async (payload) => {
    expect(await verify(forge(world.privateKey, world.header, payload))).toEqual(INVALID);
  });

  it('are in date, give or take 5 s', async () => {
    const token = withClaims({});
    const start = world.clock.now();
    const at = async (offset: number) => {
      world.clock.set(start + offset);
      return verify(token);
    };
    expect(await at(-5_001)).toEqual({ fault: 'not_yet_valid' });
    expect(await at(-5_000)).toHaveProperty('claims');
    expect(await at(TOKEN_TTL_MS + 4_999)).toHaveProperty('claims');
    expect(await at(TOKEN_TTL_MS + 5_000)).toEqual({ fault: 'expired' });
  });

  it('are called expired only when they are ours', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const token = forge(stranger, world.header, { ...world.payload, exp: 1 });
    expect(await verify(token)).toEqual(INVALID);
    expect(await verify(withClaims({ exp: 1 }))).toEqual({ fault: 'expired' });
  });
});

describe('a cached access token', () => {
  it('says the same at the second look, which does no work', async () => {
    const { signer, verifier, clock } = await tokenForge();
    const token = await signer.sign(claimsAt(clock.now()));
    const first = await verifier.verify(token);
    const second = verifier.verify(token);
    expect(second).not.toBeInstanceOf(Promise);
    expect(second).toEqual(first);
  });

  it('expires, and is not yet valid again when the clock is set back', async () => {
    const { signer, verifier, clock } = await tokenForge();
    const token = await signer.sign(claimsAt(clock.now()));
    await verifier.verify(token);
    clock.advance(-10_000);
    expect(await verifier.verify(token)).toEqual({ fault: 'not_yet_valid' });
    clock.advance(10_000);
    expect(await verifier.verify(token)).toHaveProperty('claims');
    clock.advance(TOKEN_TTL_MS + 5_000);
    expect(await verifier.verify(token)).toEqual({ fault: 'expired' });
  });

  it('does not vouch for a token that resembles it', async () => {
    const { signer, verifier, clock } = await tokenForge();
    const token = await signer.sign(claimsAt(clock.now()));
    await verifier.verify(token);
    for (const other of [`${token} `, ` ${token}`, `${token}=`, `${token}.`, token.slice(0, -1)]) {
      expect(await verifier.verify(other)).toEqual(INVALID);
    }
  });
});
