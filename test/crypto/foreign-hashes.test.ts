// Holds the check of the hashes that imports bring: Firebase's, ASP.NET's and Django's over SHA-256.

import { beforeAll, describe, expect, it } from 'vitest';
import { argon2Hasher } from '../../src/crypto/hashing/argon2-hasher.ts';
import { isKnownHash } from '../../src/crypto/legacy-hashes/legacy-hashes.ts';
import type { PasswordHasher } from '../../src/domain/password/password-hasher.ts';
import { CHEAP_FOREIGN_VECTORS, FIREBASE_VECTOR } from '../support/legacy-vectors.ts';

let hasher: PasswordHasher;
beforeAll(async () => {
  hasher = await argon2Hasher({ memoryCost: 64, timeCost: 1, parallelism: 1, slots: 2, maxWaiting: 100 });
});

it.each([...CHEAP_FOREIGN_VECTORS, FIREBASE_VECTOR])(
  'verifies the right password and no other, by $by: $hash',
  async ({ hash, password }) => {
    expect(isKnownHash(hash)).toBe(true);
    expect(hasher.needsRehash(hash)).toBe(true);
    expect(await hasher.verify(hash, password)).toBe(true);
    for (const wrong of [`${password}x`, password.slice(1), ''])
      expect(await hasher.verify(hash, wrong)).toBe(false);
  },
);

it.each(CHEAP_FOREIGN_VECTORS)('is another when its key is, by $by: $hash', async ({ hash, password }) => {
  for (let at = hash.length - 24; at < hash.length; at += 1) {
    const text = hash.slice(0, at) + (hash[at] === 'a' ? 'b' : 'a') + hash.slice(at + 1);
    expect(await hasher.verify(text, password)).toBe(false);
  }
});

it("counts all of a password in Django's bcrypt_sha256", async () => {
  const [, , , django] = CHEAP_FOREIGN_VECTORS;
  expect(await hasher.verify(django!.hash, `${django!.password}${'a'.repeat(100)}`)).toBe(false);
});

describe('is known without being computed, or refused:', () => {
  const firebase = (change: string, to: string) => FIREBASE_VECTOR.hash.replace(change, to);
  const aspNet = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(CHEAP_FOREIGN_VECTORS[1]!.hash, 'base64');
    change(bytes);
    return bytes.toString('base64');
  };
  it.each([
    ['Firebase without a salt separator', firebase(',ss=Bw==', ''), true],
    ['Firebase of another version', firebase('v=1', 'v=2'), false],
    ['Firebase without its signer key', firebase(/,sk=[^$]+/.exec(FIREBASE_VECTOR.hash)![0], ''), false],
    ['Firebase that takes 512 MiB', firebase('n=14', 'n=19'), false],
    ['Firebase that takes more than there is', firebase('n=14', 'n=99'), false],
    ['Firebase with no rounds', firebase('r=8', 'r=0'), false],
    ['Firebase of 99 lanes', firebase('p=1', 'p=99'), false],
    ['Firebase with an empty salt', firebase('42xEC+ixf3L2lw==', '='), false],
    ['Firebase with a hash that was cut', FIREBASE_VECTOR.hash.slice(0, -8), false],
    ['ASP.NET of version 2', aspNet((bytes) => bytes.writeUInt8(0)), false],
    ['ASP.NET of an unknown function', aspNet((bytes) => bytes.writeUInt32BE(3, 1)), false],
    ['ASP.NET without iterations', aspNet((bytes) => bytes.writeUInt32BE(0, 5)), false],
    ['ASP.NET of too many', aspNet((bytes) => bytes.writeUInt32BE(4_000_000_000, 5)), false],
    ['ASP.NET with a salt past its end', aspNet((bytes) => bytes.writeUInt32BE(4_000_000_000, 9)), false],
    ['ASP.NET that is all salt', aspNet((bytes) => bytes.writeUInt32BE(48, 9)), false],
    ['Django bcrypt_sha256 of plain text', 'bcrypt_sha256$hunter2', false],
  ])('%s', async (_what, hash, isKnown) => {
    expect(isKnownHash(hash)).toBe(isKnown);
    if (!isKnown) expect(await hasher.verify(hash, FIREBASE_VECTOR.password)).toBe(false);
  });
});
