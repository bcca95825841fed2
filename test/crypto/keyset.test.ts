// Holds the keyset: which key signs, which verify, and how seldom a forged `kid` makes it look into the database.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { Keyset, UNKNOWN_KID_RELOAD_MS } from '../../src/crypto/keys/keyset.ts';
import { UnsealError } from '../../src/crypto/keys/master-key.ts';
import { MasterKey } from '../../src/crypto/keys/master-key.ts';
import { openSigningKey } from '../../src/crypto/keys/signing-keys.ts';
import { claimsAt, forge, StoredKeys, tokenForge } from './token-forge.ts';
import { containing } from '../support/matchers.ts';

const DAY_MS = 86_400_000;

/** RFC 7638, section 3: SHA-256 of the required members in lexical order. */
function thumbprint(members: Record<string, string | undefined>): string {
  const ordered = Object.fromEntries(Object.entries(members).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(JSON.stringify(ordered)).digest('base64url');
}

describe.each(['ES256', 'EdDSA', 'RS256'] as const)('a signing key of %s', (algorithm) => {
  it('signs tokens that verify, and only under its own algorithm', async () => {
    const world = await tokenForge(algorithm);
    const claims = claimsAt(world.clock.now());
    const token = await world.signer.sign(claims);
    expect(JSON.parse(String(Buffer.from(token.split('.')[0] ?? '', 'base64url')))).toEqual(world.header);
    expect(await world.verifier.verify(token)).toEqual({ claims });
    for (const alg of ['ES256', 'EdDSA', 'RS256'].filter((other) => other !== algorithm)) {
      const confused = forge(world.privateKey, { ...world.header, alg }, world.payload);
      expect(await world.verifier.verify(confused)).toEqual({ fault: 'invalid' });
    }
  });

  it('is named by its thumbprint and publishes no private member', async () => {
    const { key } = await tokenForge(algorithm);
    const { kty, crv, x, y, e, n } = key.publicJwk;
    const required = { ES256: { crv, kty, x, y }, EdDSA: { crv, kty, x }, RS256: { e, kty, n } }[algorithm];
    expect(key.kid).toBe(thumbprint(required));
    expect(key.publicJwk).toEqual({ ...required, kid: key.kid, alg: algorithm, use: 'sig' });
  });

  it('does not open under another master key, or as another key', async () => {
    const { key, masterKey } = await tokenForge(algorithm);
    await expect(openSigningKey(new MasterKey(new Uint8Array(32)), key)).rejects.toThrow(UnsealError);
    await expect(openSigningKey(masterKey, { ...key, kid: 'other' })).rejects.toThrow(UnsealError);
  });
});

it('the thumbprint is that of the example in RFC 7638, section 3.1', () => {
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw';
  expect(thumbprint({ kty: 'RSA', n, e: 'AQAB' })).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
});

describe('rotation', () => {
  it('passes the signing on at the activation, and verifies what the old key signed', async () => {
    const world = await tokenForge();
    const { clock, keyset, signer, verifier, stored } = world;
    const before = await signer.sign(claimsAt(clock.now()));
    const next = await world.newKey('EdDSA', clock.now(), clock.now() + 1_000);
    stored.keys = [next, world.key];
    await keyset.reload();
    expect(keyset.publicKeys().map((jwk) => jwk.kid)).toEqual([world.key.kid, next.kid]);
    expect(keyset.signer().kid).toBe(world.key.kid);
    clock.advance(999);
    expect(keyset.signer().kid).toBe(world.key.kid);
    clock.advance(1);
    expect(keyset.signer().kid).toBe(next.kid);
    expect(await verifier.verify(before)).toHaveProperty('claims');
    expect(await verifier.verify(await signer.sign(claimsAt(clock.now())))).toHaveProperty('claims');
  });

  it('drops a key with the stored one', async () => {
    const world = await tokenForge();
    const token = await world.signer.sign(claimsAt(world.clock.now()));
    world.stored.keys = [await world.newKey('ES256', world.clock.now(), world.clock.now())];
    await world.keyset.reload();
    expect(await world.verifier.verify(token)).toEqual({ fault: 'invalid' });
    expect(world.keyset.publicKeys()).toHaveLength(1);
  });

  it('evicts what a key verified when the key leaves, and nothing else', async () => {
    const world = await tokenForge();
    const { clock, keyset, signer, verifier, stored } = world;
    const next = await world.newKey('ES256', clock.now(), clock.now() + 1);
    stored.keys = [world.key, next];
    await keyset.reload();
    const before = await signer.sign(claimsAt(clock.now()));
    clock.advance(1);
    const after = await signer.sign(claimsAt(clock.now()));
    for (const token of [before, after]) expect(await verifier.verify(token)).toHaveProperty('claims');
    const { version } = keyset;
    stored.keys = [next];
    await keyset.refresh();
    expect(keyset.version).toBe(version + 1);
    // Remembered: it is answered without a promise.
    expect(verifier.verify(after)).toHaveProperty('claims');
    expect(await verifier.verify(before)).toEqual({ fault: 'invalid' });
    expect(await verifier.verify(before)).toEqual({ fault: 'invalid' });
  });

  it('refuses a token whose key leaves while it is being verified', async () => {
    const { clock, signer, verifier, keyset, stored, newKey, key } = await tokenForge();
    const token = await signer.sign(claimsAt(clock.now()));
    const next = await newKey('ES256', clock.now(), clock.now() - 1);
    const has = keyset.has.bind(keyset);
    const verifying = Promise.resolve(verifier.verify(token));
    stored.keys = [next];
    // Before the verification looks again whether the key is there.
    keyset.has = (kid) => kid !== key.kid && has(kid);
    expect(await verifying).toEqual({ fault: 'invalid' });
    keyset.has = has;
    await keyset.reload();
    expect(await verifier.verify(token)).toEqual({ fault: 'invalid' });
  });

  it('takes over a key that is to sign sooner, and reads keys only when their list has changed', async () => {
    const { clock, newKey, stored, keyset, key } = await tokenForge();
    const next = await newKey('ES256', clock.now(), clock.now() + DAY_MS);
    stored.keys = [key, next];
    const { reads } = stored;
    for (let poll = 0; poll < 3; poll += 1) await keyset.refresh();
    expect(stored.reads).toBe(reads + 1);
    stored.keys = [key, { ...next, activateTime: clock.now() }];
    await keyset.refresh();
    expect(keyset.signer().kid).toBe(key.kid);
    clock.advance(1);
    stored.keys = [key, { ...next, activateTime: clock.now() }];
    await keyset.refresh();
    expect(keyset.signer().kid).toBe(next.kid);
    expect(stored.reads).toBe(reads + 3);
  });

  it('never puts keys that were read earlier in the place of those that were read later', async () => {
    const { clock, newKey, stored, masterKey, key } = await tokenForge();
    const next = await newKey('ES256', clock.now(), clock.now());
    const slow = Promise.withResolvers<void>();
    const answers = [slow.promise.then(() => [key]), Promise.resolve([next])];
    const keyset = new Keyset({
      signingKeys: { list: async () => (await answers.shift()) ?? [], schedule: stored.schedule },
      sealer: masterKey,
      clock,
    });
    const both = [keyset.reload(), keyset.reload()];
    slow.resolve();
    await Promise.all(both);
    expect(keyset.signer().kid).toBe(next.kid);
    expect(keyset.has(key.kid)).toBe(false);
  });

  it('keeps the keys from before when a reload fails', async () => {
    const world = await tokenForge();
    const foreign = await (await tokenForge()).newKey('ES256', 0, 0);
    world.stored.keys = [foreign];
    await expect(world.keyset.reload()).rejects.toThrow(UnsealError);
    expect(world.keyset.signer().kid).toBe(world.key.kid);
  });

  it('signs with nothing rather than with a key of the future', async () => {
    const { clock, newKey, masterKey } = await tokenForge();
    const later = await newKey('ES256', clock.now(), clock.now() + DAY_MS);
    const keyset = new Keyset({ signingKeys: new StoredKeys([later]), sealer: masterKey, clock });
    expect(() => keyset.signer()).toThrow(containing({ reason: 'STORAGE_UNAVAILABLE' }));
    await keyset.reload();
    expect(() => keyset.signer()).toThrow(containing({ reason: 'STORAGE_UNAVAILABLE' }));
  });
});

describe('an unknown kid', () => {
  it('is looked up at most once in 30 s, however many forged ones come at once', async () => {
    const { keyset, stored, clock } = await tokenForge();
    const flood = (round: number) =>
      Promise.all(Array.from({ length: 1_000 }, (_, index) => keyset.find(`forged-${round}-${index}`)));
    const reads = stored.reads;
    expect(new Set(await flood(1))).toEqual(new Set([undefined]));
    expect(stored.reads).toBe(reads + 1);
    clock.advance(UNKNOWN_KID_RELOAD_MS - 1);
    await flood(2);
    expect(stored.reads).toBe(reads + 1);
    clock.advance(1);
    await flood(3);
    expect(stored.reads).toBe(reads + 2);
  });

  it('that another node made is found after a look that found one before', async () => {
    const { clock, newKey, stored, keyset, key } = await tokenForge();
    for (const age of [2, 1]) {
      const made = await newKey('ES256', clock.now(), clock.now() - age);
      stored.keys = [...stored.keys, made];
      expect((await keyset.find(made.kid))?.kid).toBe(made.kid);
    }
    expect(keyset.has(key.kid)).toBe(true);
  });

  it('is found by everyone who asks while the key that another node made is being read', async () => {
    const world = await tokenForge();
    const fresh = await world.newKey('ES256', world.clock.now(), world.clock.now());
    world.stored.keys = [world.key, fresh];
    const found = await Promise.all(Array.from({ length: 100 }, () => world.keyset.find(fresh.kid)));
    expect(found.map((key) => key?.kid)).toEqual(Array.from({ length: 100 }, () => fresh.kid));
    expect(world.stored.reads).toBe(2);
  });

  it('reports that the database is away instead of calling the token bad', async () => {
    const world = await tokenForge();
    const away = new Error('away');
    const keyset = new Keyset({
      ...world,
      sealer: world.masterKey,
      signingKeys: { list: () => Promise.reject(away), schedule: () => Promise.reject(away) },
    });
    const asked = await Promise.allSettled([keyset.find('a'), keyset.find('b')]);
    expect(asked.map((result) => result.status)).toEqual(['rejected', 'rejected']);
  });
});
