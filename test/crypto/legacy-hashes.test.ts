// Holds the check of hashes that other systems made: the right password and no other, never at any price, never a fault.

import { assert, asyncProperty, boolean, constantFrom, nat, string } from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';

import { argon2Hasher } from '../../src/crypto/hashing/argon2-hasher.ts';
import { isKnownHash, readLegacyHash } from '../../src/crypto/legacy-hashes/legacy-hashes.ts';
import type { PasswordHasher } from '../../src/domain/password/password-hasher.ts';
import { CHEAP_VECTORS, VECTORS } from '../support/legacy-vectors.ts';

const SETTINGS = { memoryCost: 64, timeCost: 1, parallelism: 1, slots: 2, maxWaiting: 100 };
// 22 digits of salt and 31 of key: no hash of anything, and as well formed as one.
const BCRYPT_REST = 'N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS';
const SALT = '+/8AECAwQFBgcICQoLDA/g';
const KEY = 'KkeGSMVwkUOocSxFCPl6vLZgJE7y+Pbt4j4KQRRRwgI';

let hasher: PasswordHasher;
beforeAll(async () => {
  hasher = await argon2Hasher(SETTINGS);
});

describe('a hash made elsewhere', () => {
  it.each([...CHEAP_VECTORS, ...VECTORS])('verifies, by $by: $hash', async ({ hash, password }) => {
    expect(isKnownHash(hash)).toBe(true);
    expect(hasher.needsRehash(hash)).toBe(true);
    expect(await hasher.verify(hash, password)).toBe(true);
    expect(await hasher.verify(hash, `${password}x`)).toBe(false);
    expect(await hasher.verify(hash, password.slice(1))).toBe(false);
    expect(await hasher.verify(hash, '')).toBe(false);
  });

  // perl -e 'print crypt("a" x 72, "\$2a\$04\$N9qo8uLOickgx2ZMRZoMye")', the same as for 73 and, of two bytes each, for 150 letters.
  it.each(['2a', '2b', '2y'])('of bcrypt counts 72 bytes and no more ($%s$)', async (letter) => {
    const ofA = `$${letter}$04$N9qo8uLOickgx2ZMRZoMyeF1J3tt0w8.ywyH26Gg0MaR3.85io4ma`;
    expect(await hasher.verify(ofA, 'a'.repeat(72))).toBe(true);
    expect(await hasher.verify(ofA, `${'a'.repeat(72)}b`)).toBe(true);
    expect(await hasher.verify(ofA, 'a'.repeat(128))).toBe(true);
    expect(await hasher.verify(ofA, 'a'.repeat(71))).toBe(false);
    expect(await hasher.verify(ofA, `${'a'.repeat(71)}b`)).toBe(false);
    const ofAccents = `$${letter}$04$N9qo8uLOickgx2ZMRZoMyebmnfBTaclnZm3.rrjzanrJiN7Bj0Gy2`;
    // Past 255 bytes old versions of $2a$ counted from 0 again.
    expect(await hasher.verify(ofAccents, 'é'.repeat(150))).toBe(true);
    expect(await hasher.verify(ofAccents, 'é'.repeat(36))).toBe(true);
    expect(await hasher.verify(ofAccents, 'é'.repeat(35))).toBe(false);
  });

  it.each(CHEAP_VECTORS)(
    'is another when one character of its key is, by $by: $hash',
    async ({ hash, password }) => {
      for (let at = hash.length - 24; at < hash.length; at += 1) {
        const text = hash.slice(0, at) + (hash[at] === 'a' ? 'b' : 'a') + hash.slice(at + 1);
        expect(await hasher.verify(text, password)).toBe(false);
      }
    },
  );
});

describe('what costs too much is refused unseen', () => {
  it.each([
    ['bcrypt of cost 17', `$2b$17$${BCRYPT_REST}`],
    ['bcrypt of cost 31', `$2b$31$${BCRYPT_REST}`],
    ['bcrypt of cost 99', `$2b$99$${BCRYPT_REST}`],
    ['bcrypt of cost 3', `$2b$03$${BCRYPT_REST}`],
    ['scrypt of 512 MiB', `$scrypt$ln=19,r=8,p=1$${SALT}$${KEY}`],
    ['scrypt of 2 TiB', `$scrypt$ln=31,r=8,p=1$${SALT}$${KEY}`],
    ['scrypt of wide blocks', `$scrypt$ln=10,r=99999,p=1$${SALT}$${KEY}`],
    ['scrypt of 256 MiB five times', `$scrypt$ln=18,r=8,p=5$${SALT}$${KEY}`],
    ['scrypt of many lanes', `$scrypt$ln=14,r=8,p=99999$${SALT}$${KEY}`],
    ["Werkzeug's of 512 MiB", `scrypt:524288:8:1$salt$${'ab'.repeat(32)}`],
    ['PBKDF2 of ten million and one', `$pbkdf2-sha256$i=10000001$${SALT}$${KEY}`],
    ['PBKDF2 of more digits', `$pbkdf2-sha256$i=99999999999$${SALT}$${KEY}`],
    ['PBKDF2 with twice the key', `pbkdf2:sha256:6000000$salt$${'ab'.repeat(64)}`],
    ["Django's of ten million and one", `pbkdf2_sha256$10000001$seasalt$${KEY}=`],
    ['argon2 of 4 TiB', `$argon2id$v=19$m=4294967295,t=1,p=1$${SALT}$${KEY}`],
    ['argon2 of a million passes', `$argon2id$v=19$m=65536,t=1000000,p=1$${SALT}$${KEY}`],
    ['argon2 of a thousand lanes', `$argon2id$v=19$m=65536,t=1,p=1000$${SALT}$${KEY}`],
  ])('%s', async (_what, hash) => {
    expect(isKnownHash(hash)).toBe(false);
    expect(readLegacyHash(hash)).toBeUndefined();
    expect(await hasher.verify(hash, 'password')).toBe(false);
  });

  it('and what costs just as much as is borne is known', () => {
    for (const hash of [
      `$2b$16$${BCRYPT_REST}`,
      `$scrypt$ln=18,r=8,p=4$${SALT}$${KEY}`,
      `$pbkdf2-sha256$i=10000000$${SALT}$${KEY}`,
      `$argon2id$v=19$m=262144,t=16,p=4$${SALT}$${KEY}`,
    ])
      expect(isKnownHash(hash)).toBe(true);
  });
});

describe('what is no hash', () => {
  it.each([
    '',
    '$',
    'password',
    '$argon2id$sample',
    `$argon2id$v=19$m=65536,t=3$${SALT}$${KEY}`,
    `$argon2id$v=19$m=65536,t=3,t=4$${SALT}$${KEY}`,
    `$argon2id$v=19$m=7,t=3,p=1$${SALT}$${KEY}`,
    `$argon2id$v=19$m=65536,t=0,p=1$${SALT}$${KEY}`,
    `$argon2id$v=19$m=65536,t=3,p=1$aaaa$${KEY}`,
    `$argon2id$v=19$m=65536,t=3,p=1$${SALT}$aaaa`,
    `$argon2id$v=19$m=65536,t=3,p=1$${SALT}==$${KEY}=`,
    `$argon2id$v=19$m=65536,t=3,p=1$${SALT.replace('+', '.')}$${KEY}`,
    `$argon2id$v=19$m=65536,t=3,p=1$${SALT}$${KEY}$${KEY}`,
    `$argon2id$v=17$m=65536,t=3,p=1$${SALT}$${KEY}`,
    `$argon2x$v=19$m=65536,t=3,p=1$${SALT}$${KEY}`,
    `$2x$04$${BCRYPT_REST}`,
    `$2$04$${BCRYPT_REST}`,
    `$2b$4$${BCRYPT_REST}`,
    `$2b$04$${BCRYPT_REST}\n`,
    `$2b$04$${BCRYPT_REST.slice(1)}`,
    `$2b$04$${BCRYPT_REST.replace('Mye', 'Myf')}`,
    `$scrypt$ln=0,r=8,p=1$${SALT}$${KEY}`,
    `$scrypt$ln=10,r=0,p=1$${SALT}$${KEY}`,
    `$scrypt$ln=10,r=8,p=0$${SALT}$${KEY}`,
    `$scrypt$ln=16,r=1,p=1$${SALT}$${KEY}`,
    `$scrypt$ln=-1,r=8,p=1$${SALT}$${KEY}`,
    `$scrypt$ln=10,r=8,p=1$${SALT}$`,
    `$scrypt$ln=10,r=8,p=1$${SALT}$aaaa`,
    `$scrypt$ln=10,r=8,p=1$$${KEY}`,
    `$scrypt$ln=10,r=8,p=1$!!!!$${KEY}`,
    `$scrypt$ln=10,r=8,p=1$${SALT}$${KEY}$${KEY}`,
    `scrypt:1000:8:1$salt$${'ab'.repeat(32)}`,
    `scrypt:1024:8:1$salt$${'AB'.repeat(32)}`,
    `scrypt:1024:8:1$salt$${'zz'.repeat(32)}`,
    `$pbkdf2-sha256$i=0$${SALT}$${KEY}`,
    `$pbkdf2-md5$i=1000$${SALT}$${KEY}`,
    `$pbkdf2-sha999$i=1000$${SALT}$${KEY}`,
    `$pbkdf2-sha256$i=1000$${SALT}$`,
    `pbkdf2_sha256$1000$$${KEY}=`,
    'pbkdf2_sha256$1000$seasalt$',
    `$7$CU..../....salt$${KEY}`,
    '$6$rounds=5000$salt$hash',
    '5f4dcc3b5aa765d61d8327deb882cf99',
  ])('matches nothing: %s', async (text) => {
    expect(isKnownHash(text)).toBe(false);
    for (const password of ['', 'password', text]) expect(await hasher.verify(text, password)).toBe(false);
  });

  it('matches nothing: texts that are far too long', async () => {
    for (const text of [
      `$pbkdf2-sha256$i=1000$${'A'.repeat(2_000)}$${KEY}`,
      `$argon2id$v=19$m=65536,t=3,p=1$${'A'.repeat(100_000)}`,
    ]) {
      expect(isKnownHash(text)).toBe(false);
      expect(await hasher.verify(text, 'password')).toBe(false);
    }
  });

  it('and no text at all makes the check fail', async () => {
    const prefix = constantFrom(
      '',
      '$2b$',
      '$scrypt$',
      '$scrypt$ln=',
      '$pbkdf2-sha256$',
      'pbkdf2_sha256$',
      'scrypt:',
      '$argon2id$v=19$m=',
    );
    const harmless = asyncProperty(
      prefix,
      string({ unit: 'grapheme', maxLength: 80 }),
      async (start, rest) => {
        expect(isKnownHash(start + rest)).toBe(false);
        expect(await hasher.verify(start + rest, 'password')).toBe(false);
      },
    );
    await assert(harmless, { numRuns: 300 });
  });
});

it('hashes made elsewhere wait in the same line', async () => {
  const narrow = await argon2Hasher({ ...SETTINGS, slots: 1, maxWaiting: 1 });
  const [{ hash, password }] = CHEAP_VECTORS as [(typeof CHEAP_VECTORS)[number]];
  const verdicts = await Promise.allSettled([1, 2, 3, 4].map(() => narrow.verify(hash, password)));
  expect(verdicts.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
  for (const verdict of verdicts.slice(2))
    expect(verdict).toMatchObject({ reason: { reason: 'OVERLOADED' } });
});

it('no text that passes for an argon2 hash makes the check fail', async () => {
  const character = constantFrom(...'aZ09+/=.-,$mtpvid'.split(''));
  const hash = await hasher.hash('password');
  const changed = asyncProperty(
    nat(hash.length),
    character,
    boolean(),
    async (at, replacement, isInserted) => {
      const text = hash.slice(0, at) + replacement + hash.slice(isInserted ? at : at + 1);
      expect([true, false]).toContain(await hasher.verify(text, 'password'));
      if (isKnownHash(text)) expect([true, false]).toContain(hasher.needsRehash(text));
    },
  );
  await assert(changed, { numRuns: 2_000 });
});

it('argon2 hashes of other parameters and kinds are known', async () => {
  for (const { parameters, ok } of [
    { parameters: 'm=65536,t=3,p=4', ok: true },
    { parameters: 'p=4,t=3,m=65536', ok: true },
    { parameters: 'm=262145,t=3,p=4', ok: false },
  ]) {
    for (const kind of ['argon2id', 'argon2i', 'argon2d'])
      expect(isKnownHash(`$${kind}$v=19$${parameters}$${SALT}$${KEY}`)).toBe(ok);
  }
  const hash = await hasher.hash('password');
  expect(isKnownHash(hash)).toBe(true);
});
