// Hashes that stand in for unknown accounts: as the accounts' are, in the same proportions, and the same at every attempt.

import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { argon2Hasher } from '../../src/crypto/hashing/argon2-hasher.ts';
import { hashShape } from '../../src/crypto/hashing/hash-shape.ts';
import { StandIns } from '../../src/crypto/hashing/stand-ins.ts';
import { CHEAP_FOREIGN_VECTORS, CHEAP_VECTORS, FIREBASE_VECTOR, VECTORS } from '../support/legacy-vectors.ts';

const OWN = '$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHRzYWx0$a2V5a2V5a2V5a2V5a2V5a2V5';
const BCRYPT = '$2b$04$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS';
const PBKDF2 = 'pbkdf2_sha256$1000$seasalt$kAE99cdcTKmGrieRXDBgQGQ4EwQZyrsTdq98YF0EJdY=';
const secret = randomBytes(32);
const standIns = (hashes: readonly string[], key: Uint8Array = secret) => {
  const made = new StandIns(key, OWN, () => true);
  made.learn(hashes);
  return made;
};
const many = (hash: string, count: number) => Array.from({ length: count }, () => hash);
const people = Array.from({ length: 4_000 }, (_, index) => `person-${index}@example.com`);

/** The hash with another salt and key: every long run of letters and digits, or all of a text without separators behind its parameters, scrambled. */
function another(hash: string): string {
  const scramble = (run: string) =>
    createHash('sha512').update(run).digest('hex').repeat(3).slice(0, run.length);
  if (!/[$:]/.test(hash)) return hash.slice(0, 20) + scramble(hash.slice(20));
  return hash.replaceAll(/[A-Za-z0-9+/.]{20,}/g, scramble);
}

describe('the shape of a hash', () => {
  const all = [...CHEAP_VECTORS, ...CHEAP_FOREIGN_VECTORS, FIREBASE_VECTOR, ...VECTORS].map(
    ({ hash }) => hash,
  );

  it.each([...new Set(all)])('is not that of its salt and key: %s', (hash) => {
    expect(hashShape(another(hash))).toBe(hashShape(hash));
    expect(hashShape(hash)).not.toMatch(/[A-Za-z0-9+/.]{20,}/);
  });

  it('distinguishes algorithms and parameters', () => {
    const shapes = [
      OWN,
      OWN.replace('m=64', 'm=65'),
      OWN.replace('argon2id', 'argon2i'),
      BCRYPT,
      BCRYPT.replace('$04$', '$05$'),
      PBKDF2,
      PBKDF2.replace('$1000$', '$2000$'),
      'pbkdf2:sha512:1000$kJd83hfLmQz0PxYw$e04a07010c5acd3caeec1e391f72ccde81d1538d31bc540aed214892124163789223',
      '$6$rounds=5000$salt$keykeykeykeykeykeykeykeykeykeykey',
      '$6$salt$keykeykeykeykeykeykeykeykeykeykey',
      '$P$Bsaltsaltkeykeykeykeykeykeykeyk',
      '$P$Csaltsaltkeykeykeykeykeykeykeyk',
    ];
    expect(new Set(shapes.map(hashShape)).size).toBe(shapes.length);
  });
});

describe('stand-ins', () => {
  it('are what the accounts have, in the same proportions', () => {
    const chosen = standIns([...many(OWN, 100), ...many(BCRYPT, 600), ...many(PBKDF2, 300)]);
    const share = (hash: string) => people.filter((name) => chosen.of(name) === hash).length / people.length;
    expect(Math.abs(share(BCRYPT) - 0.6)).toBeLessThan(0.04);
    expect(Math.abs(share(PBKDF2) - 0.3)).toBeLessThan(0.04);
    expect(Math.abs(share(OWN) - 0.1)).toBeLessThan(0.04);
    expect(chosen.of(undefined)).toBe(OWN);
  });

  it('are all of one shape where the accounts are, but for as many as one account', () => {
    const chosen = standIns(many(BCRYPT, 10_000));
    expect(people.filter((name) => chosen.of(name) !== BCRYPT).length).toBeLessThan(10);
    const fresh = standIns([]);
    expect(new Set(people.map((name) => fresh.of(name)))).toEqual(new Set([OWN]));
  });

  it('are the same at every attempt, on every node and in whatever order accounts are read', () => {
    const hashes = [...many(OWN, 50), ...many(BCRYPT, 50)];
    const [one, other] = [standIns(hashes), standIns(hashes.toReversed())];
    const foreign = standIns(hashes, randomBytes(32));
    expect(people.map((name) => one.of(name))).toEqual(people.map((name) => other.of(name)));
    expect(people.map((name) => one.of(name))).not.toEqual(people.map((name) => foreign.of(name)));
  });

  it('move as accounts do: from what is replaced to what replaces it, and no other way', () => {
    const before = standIns([...many(BCRYPT, 800), ...many(OWN, 200)]);
    const after = standIns([...many(BCRYPT, 500), ...many(OWN, 500)]);
    const moves = new Set(people.map((name) => [before.of(name), after.of(name)]).map(String));
    expect(moves).toEqual(
      new Set(
        [
          [BCRYPT, BCRYPT],
          [BCRYPT, OWN],
          [OWN, OWN],
        ].map(String),
      ),
    );
  });

  it('are few, however many shapes there are', () => {
    const chosen = standIns(
      Array.from({ length: 500 }, (_, index) => PBKDF2.replace('1000', String(index + 1))),
    );
    expect(new Set(people.map((name) => chosen.of(name))).size).toBeLessThanOrEqual(32);
  });

  it('admit no login, not even by the password of the account that lent its hash', async () => {
    const settings = { memoryCost: 64, timeCost: 2, parallelism: 1, slots: 2, maxWaiting: 2 };
    const hasher = await argon2Hasher(settings, secret);
    const hash = await hasher.hash('a real password');
    hasher.learn(many(hash, 1_000));
    for (const stored of [
      undefined,
      'no hash at all',
      '$2b$31$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS',
    ])
      expect(await hasher.verify(stored, 'a real password', undefined, 'ada@example.com')).toBe(false);
    expect(await hasher.verify(hash, 'a real password', undefined, 'ada@example.com')).toBe(true);
  });
});
