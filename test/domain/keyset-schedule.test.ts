// Holds the life of signing keys over simulated months: one signs at any time, none by surprise, none is dropped too early.

import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { maintainSigningKeys } from '../../src/domain/keyset/maintain-signing-keys.ts';
import {
  JWKS_CACHE_MS,
  PUBLICATION_LEAD_MS,
  retiredKeys,
  signingKeyAt,
  type SigningAlgorithm,
  type SigningKey,
} from '../../src/domain/keyset/signing-key.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DAY_MS, MINUTE_MS } from '../support/samples.ts';

const ROTATION_MS = 30 * DAY_MS;
const TOKEN_TTL_MS = 15 * MINUTE_MS;

function keyring(algorithm: SigningAlgorithm = 'ES256') {
  const clock = new FakeClock();
  let keys: SigningKey[] = [];
  let made = 0;
  const signingKeys = {
    list: async () => keys,
    insert: async (key: SigningKey) => void (keys = [...keys, key]),
    delete: async (kid: string) => void (keys = keys.filter((key) => key.kid !== kid)),
    lock: async () => undefined,
  };
  const deps = {
    clock,
    newId: () => 'event',
    signingKeys,
    transact: <Result>(
      work: (stores: {
        signingKeys: typeof signingKeys;
        audit: { append(): Promise<void> };
      }) => Promise<Result>,
    ) => work({ signingKeys, audit: { append: async () => undefined } }),
    newSigningKey: async (
      ofAlgorithm: SigningAlgorithm,
      createTime: number,
      activateTime: number,
    ): Promise<SigningKey> => {
      made += 1;
      const kid = `key-${made}`;
      const publicJwk = { kid, kty: 'EC' };
      const sealedPrivateKey = new Uint8Array();
      return { kid, algorithm: ofAlgorithm, publicJwk, sealedPrivateKey, createTime, activateTime };
    },
    signingAlgorithm: algorithm,
    rotationMs: ROTATION_MS,
    tokenPolicy: { accessTokenTtlMs: TOKEN_TTL_MS },
  };
  const maintain = async (change: Partial<Pick<typeof deps, 'signingAlgorithm'>> = {}) => {
    await maintainSigningKeys({ ...deps, ...change });
    return keys;
  };
  return { clock, maintain, made: () => made };
}

it('over months, with maintenance at any times, no token meets a missing or a surprising key', async () => {
  const gap = fc.oneof(
    fc.integer({ min: 1, max: 10 * MINUTE_MS }),
    fc.integer({ min: 1, max: 6 * 60 * MINUTE_MS }),
    fc.integer({ min: 1, max: 40 * DAY_MS }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(gap, { minLength: 1, maxLength: 200 }), async (gaps) => {
      const { clock, maintain } = keyring();
      const firstPublished = new Map<string, number>();
      let signed: { kid: string; until: number }[] = [];
      for (const step of gaps) {
        const keys = await maintain();
        const now = clock.now();
        for (const { kid } of keys) if (!firstPublished.has(kid)) firstPublished.set(kid, now);
        const signer = signingKeyAt(keys, now);
        expect(signer).toBeDefined();
        const kid = signer?.kid ?? '';
        if (kid !== 'key-1')
          expect(now - (firstPublished.get(kid) ?? now)).toBeGreaterThanOrEqual(PUBLICATION_LEAD_MS);
        signed = [...signed, { kid, until: now + TOKEN_TTL_MS }].filter(({ until }) => until > now);
        const published = keys.map((key) => key.kid);
        for (const token of signed) expect(published).toContain(token.kid);
        expect(keys.length).toBeLessThanOrEqual(3);
        clock.advance(step);
      }
    }),
    { numRuns: 100 },
  );
});

it('a year of hourly maintenance makes one key a month and deletes old ones', async () => {
  const { clock, maintain, made } = keyring();
  const signers: string[] = [];
  for (let hour = 0; hour < 365 * 24; hour += 1) {
    const keys = await maintain();
    const kid = signingKeyAt(keys, clock.now())?.kid ?? 'none';
    if (signers.at(-1) !== kid) signers.push(kid);
    clock.advance(60 * MINUTE_MS);
  }
  expect(made()).toBeGreaterThanOrEqual(12);
  expect(made()).toBeLessThanOrEqual(14);
  expect(signers).toEqual(Array.from({ length: signers.length }, (_, index) => `key-${index + 1}`));
  expect((await maintain()).length).toBeLessThanOrEqual(2);
});

it('the first key signs at once; maintenance without need makes none', async () => {
  const { clock, maintain, made } = keyring();
  const [first] = await maintain();
  // From a while ago: a node whose clock is behind signs with it too.
  expect(first?.activateTime).toBe(clock.now() - PUBLICATION_LEAD_MS);
  await maintain();
  // It signs as if from PUBLICATION_LEAD_MS before it was made.
  clock.advance(ROTATION_MS - 2 * PUBLICATION_LEAD_MS - 1);
  await maintain();
  expect(made()).toBe(1);
  clock.advance(1);
  await maintain();
  await maintain();
  expect(made()).toBe(2);
  expect(PUBLICATION_LEAD_MS).toBeGreaterThan(JWKS_CACHE_MS);
});

it('another algorithm takes over after its notice, not before', async () => {
  const { clock, maintain } = keyring('ES256');
  await maintain();
  clock.advance(DAY_MS);
  const keys = await maintain({ signingAlgorithm: 'EdDSA' });
  expect(signingKeyAt(keys, clock.now())?.algorithm).toBe('ES256');
  expect(signingKeyAt(keys, clock.now() + PUBLICATION_LEAD_MS)?.algorithm).toBe('EdDSA');
});

it('a key is retired only when another has signed for longer than its tokens live', () => {
  const at = (kid: string, activateTime: number): SigningKey => ({
    kid,
    algorithm: 'ES256',
    publicJwk: { kid, kty: 'EC' },
    sealedPrivateKey: new Uint8Array(),
    createTime: 0,
    activateTime,
  });
  const keys = [at('new', 2_000), at('old', 1_000), at('next', 9_000_000)];
  const retiredAt = (now: number) => retiredKeys(keys, now, TOKEN_TTL_MS).map(({ kid }) => kid);
  expect(retiredAt(2_000 + TOKEN_TTL_MS)).toEqual([]);
  expect(retiredAt(2_000 + TOKEN_TTL_MS + PUBLICATION_LEAD_MS + 1)).toEqual(['old']);
  expect(retiredKeys([at('only', 0)], Number.MAX_SAFE_INTEGER, 0)).toEqual([]);
  expect(signingKeyAt(keys, 999)).toBeUndefined();
  expect(signingKeyAt(keys, 1_999)?.kid).toBe('old');
  expect(signingKeyAt(keys, 2_000)?.kid).toBe('new');
});
