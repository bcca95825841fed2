// Holds the cache of verified tokens to its bounds: bytes, fairness between subjects, gradual eviction, and no room for what was not verified.

import { hash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenCache } from '../../src/crypto/token-cache/token-cache.ts';
import type { AccessTokenClaims } from '../../src/domain/token/access-token.ts';
import { claimsAt, forge, tokenForge } from './token-forge.ts';

const NOW = 1_800_000_000_000;
const MAX_BYTES = 2_097_152;
const KEY = { kid: 'key', keysetVersion: 0 };

const uuid = (kind: number, number: number) =>
  `0193000${kind}-0000-7000-8000-${String(number).padStart(12, '0')}`;
const digest = (number: number) => hash('sha256', `token ${number}`, 'latin1');

function claims(token: number, subject: number): AccessTokenClaims {
  const ids = { tokenId: uuid(1, token), subjectId: uuid(2, subject), sessionId: uuid(3, subject) };
  return { ...claimsAt(NOW), ...ids };
}

function cacheOf(tokens: number, subjectOf = (token: number) => token) {
  const cache = new TokenCache(MAX_BYTES);
  for (let token = 0; token < tokens; token += 1)
    cache.insert(digest(token), claims(token, subjectOf(token)), KEY, NOW);
  return cache;
}

const CAPACITY = cacheOf(20_000).size;

/** The share of these tokens that are hits, when each that misses is inserted. */
function hitRate(cache: TokenCache, tokens: number, subjectOf = (token: number) => token): number {
  let hits = 0;
  for (let token = 0; token < tokens; token += 1) {
    if (cache.find(digest(token)) === undefined)
      cache.insert(digest(token), claims(token, subjectOf(token)), KEY, NOW);
    else hits += 1;
  }
  return hits / tokens;
}

describe('the cache of verified tokens', () => {
  it('gives back the claims as they were, until they are deleted', () => {
    const texts = fc.string({ minLength: 1, maxLength: 40 });
    const times = fc.integer({ min: 0, max: 4_102_444_800 }).map((seconds) => seconds * 1_000);
    const anyClaims: fc.Arbitrary<AccessTokenClaims> = fc
      .record({
        tokenId: texts,
        subjectId: texts,
        subjectKind: fc.constantFrom('user' as const, 'service' as const),
        clientId: texts,
        sessionId: fc.option(fc.string({ maxLength: 40 }), { nil: undefined }),
        audience: fc.array(texts, { maxLength: 3 }),
        issuedAt: times,
        notBefore: times,
        expiresAt: times.map((time) => time + NOW),
        scopes: fc.array(texts, { maxLength: 5 }),
        role: texts,
        version: fc.nat(),
        amr: fc.array(texts, { maxLength: 3 }),
        authTime: fc.option(times, { nil: undefined }),
      })
      .map((made) => (made.subjectKind === 'service' ? { ...made, clientId: made.subjectId } : made));
    fc.assert(
      fc.property(fc.array(anyClaims, { maxLength: 10 }), (all) => {
        const cache = new TokenCache(MAX_BYTES);
        all.forEach((one, index) => cache.insert(digest(index), one, KEY, NOW));
        all.forEach((one, index) => expect(cache.find(digest(index))?.claims).toEqual(one));
        all.forEach((_one, index) => cache.delete(digest(index)));
        all.forEach((_one, index) => expect(cache.find(digest(index))).toBeUndefined());
        expect(cache.size).toBe(0);
      }),
    );
  });

  it('keeps and finds what a map would, through any insertions and deletions', () => {
    const cache = new TokenCache(MAX_BYTES);
    const model = new Set<number>();
    let state = 1;
    for (let step = 0; step < 30_000; step += 1) {
      state = (state * 48_271) % 2_147_483_647;
      const token = state % 3_000;
      if (state % 5 < 3) {
        cache.insert(digest(token), claims(token, token), KEY, NOW);
        model.add(token);
      } else {
        cache.delete(digest(token));
        model.delete(token);
      }
    }
    expect(cache.size).toBe(model.size);
    for (let token = 0; token < 3_000; token += 1)
      expect(cache.find(digest(token))?.claims.tokenId).toBe(model.has(token) ? uuid(1, token) : undefined);
  });

  it('never takes more bytes than it may, also when no two tokens have anything in common', () => {
    const cache = new TokenCache(MAX_BYTES);
    for (let token = 0; token < 5_000; token += 1) {
      const own = { ...claims(token, token), scopes: [`scope:${token}`, 'x'.repeat(token % 500)] };
      cache.insert(digest(token), own, KEY, NOW);
      expect(cache.bytes).toBeLessThanOrEqual(MAX_BYTES);
    }
    expect(cache.size).toBeGreaterThan(300);
    expect(cacheOf(20_000).bytes).toBeLessThanOrEqual(MAX_BYTES);
    expect(MAX_BYTES / CAPACITY).toBeLessThan(480);
  });

  it.each([
    [0.9, 1],
    [1.02, 0.9],
    [1.1, 0.7],
    [1.5, 0.25],
    [2, 0.1],
  ])('hits gradually less under a scan of %d times its capacity', (times, atLeast) => {
    const tokens = Math.floor(CAPACITY * times);
    const cache = cacheOf(tokens);
    hitRate(cache, tokens);
    expect(hitRate(cache, tokens)).toBeGreaterThanOrEqual(atLeast);
  });

  it('does so too when few subjects, or one, hold all the tokens', () => {
    const tokens = Math.floor(CAPACITY * 1.02);
    for (const subjects of [1, 2, 300]) {
      const cache = cacheOf(tokens, (token) => token % subjects);
      hitRate(cache, tokens, (token) => token % subjects);
      expect(hitRate(cache, tokens, (token) => token % subjects)).toBeGreaterThanOrEqual(0.9);
    }
  });

  it('lets one subject who mints many tokens evict nobody else', () => {
    const others = Math.floor(CAPACITY / 2);
    const cache = cacheOf(others);
    for (let token = 0; token < 4 * CAPACITY; token += 1)
      cache.insert(digest(1_000_000 + token), claims(1_000_000 + token, 1_000_000), KEY, NOW);
    // But whoever happens to share its share of the cache: one in 65,536.
    expect(hitRate(cache, others)).toBeGreaterThan(0.99);
  });

  it('makes room for others where one subject holds nearly everything', () => {
    const cache = cacheOf(2 * CAPACITY, () => 1);
    const others = Math.floor(CAPACITY / 4);
    for (let round = 0; round < 3; round += 1) hitRate(cache, others, (token) => 10 + token);
    const newcomers = Array.from({ length: others }, (_, index) => 500_000 + index);
    for (let round = 0; round < 4; round += 1) {
      for (const token of newcomers)
        if (cache.find(digest(token)) === undefined)
          cache.insert(digest(token), claims(token, token), KEY, NOW);
    }
    const found = newcomers.filter((token) => cache.find(digest(token)) !== undefined);
    expect(found.length / others).toBeGreaterThan(0.9);
  });

  it('evicts what has expired before anything else', () => {
    const cache = cacheOf(CAPACITY);
    const later = NOW + 3_600_000;
    const fresh = Math.floor(CAPACITY * 0.9);
    for (let token = 0; token < fresh; token += 1) {
      const renewed = { ...claims(100_000 + token, token), expiresAt: later + 900_000 };
      cache.insert(digest(100_000 + token), renewed, KEY, later);
    }
    for (let token = 0; token < fresh; token += 1) expect(cache.find(digest(100_000 + token))).toBeDefined();
  });
});

describe('the verifier', () => {
  it('verifies a token once for all who ask at the same time', async () => {
    const { verifier, signer, keyset, clock } = await tokenForge();
    let looks = 0;
    const find = keyset.find.bind(keyset);
    keyset.find = (kid) => {
      looks += 1;
      return find(kid);
    };
    const token = await signer.sign(claimsAt(clock.now()));
    const all = await Promise.all(Array.from({ length: 50 }, async () => verifier.verify(token)));
    for (const verified of all) expect(verified).toEqual({ claims: claimsAt(clock.now()) });
    await verifier.verify(token);
    expect(looks).toBe(1);
  });

  it('gives no room to forged and expired tokens', async () => {
    const { verifier, signer, clock, header, payload } = await tokenForge();
    const stranger = await tokenForge();
    const token = await signer.sign(claimsAt(clock.now()));
    await verifier.verify(token);
    const before = verifier.usage;
    const expired = { ...claimsAt(clock.now()), expiresAt: clock.now() - 60_000 };
    for (let index = 0; index < 200; index += 1) {
      const forged = forge(stranger.privateKey, header, { ...payload, jti: `forged-${index}` });
      expect(await verifier.verify(forged)).toEqual({ fault: 'invalid' });
      const ended = await signer.sign({ ...expired, tokenId: `expired-${index}` });
      expect(await verifier.verify(ended)).toEqual({ fault: 'expired' });
    }
    expect(verifier.usage).toEqual(before);
    expect(verifier.find(Buffer.from(token))).toHaveProperty('claims');
  });

  it('finds by the bytes of a token what it verified as a text, and nothing for other bytes', async () => {
    const { verifier, signer, clock } = await tokenForge();
    const token = await signer.sign(claimsAt(clock.now()));
    expect(verifier.find(Buffer.from(token))).toBeUndefined();
    await verifier.verify(token);
    expect(verifier.find(Buffer.from(token))).toEqual({ claims: claimsAt(clock.now()) });
    expect(verifier.find(Buffer.from(`${token} `))).toBeUndefined();
    expect(verifier.find(Buffer.from(token.slice(1)))).toBeUndefined();
  });
});
