// Password hashes that other systems made: verified at the first login here, which replaces them.

import { isArgon2Hash, MAX_IMPORTED_ARGON2 } from '../hashing/argon2-hash.ts';
import type { VerifyPassword } from '../hashing/hash-bytes.ts';
import { inKnownForm } from './hash-forms.ts';
import { readAspNet } from './legacy-aspnet.ts';
import { readBcrypt, readDjangoBcrypt } from './legacy-bcrypt.ts';
import { readFirebase } from './legacy-firebase.ts';
import { readPhpass, readShaCrypt } from './legacy-iterated.ts';
import { readNodeScrypt } from './legacy-node.ts';
import { readPbkdf2 } from './legacy-pbkdf2.ts';
import { readPasslibBcrypt, readWordPress } from './legacy-prehashed.ts';
import { readScrypt } from './legacy-scrypt.ts';

/** No hash that we know is longer, and nothing longer is worth a look. */
export const MAX_HASH_LENGTH = 1_024;
const READERS = [
  readBcrypt,
  readScrypt,
  readPbkdf2,
  readFirebase,
  readDjangoBcrypt,
  readAspNet,
  readPasslibBcrypt,
  readWordPress,
  readNodeScrypt,
  readShaCrypt,
  readPhpass,
];

/**
 * The check of a hash by bcrypt, scrypt, PBKDF2, SHA-crypt or phpass in any of the forms that are taken; undefined for any other text, and for one that
 * would cost more than we spend. It takes the password as the caller gives it: which spellings of it are tried is the caller's.
 */
export function readLegacyHash(text: string): VerifyPassword | undefined {
  if (text.length > MAX_HASH_LENGTH) return undefined;
  const known = inKnownForm(text);
  for (const read of READERS) {
    const verify = read(known);
    if (verify !== undefined) return verify;
  }
  return undefined;
}

/** Whether the text is a hash that a login here can verify at a bearable cost. Pure. */
export function isKnownHash(text: string): boolean {
  if (text.length > MAX_HASH_LENGTH) return false;
  return isArgon2Hash(inKnownForm(text), MAX_IMPORTED_ARGON2) || readLegacyHash(text) !== undefined;
}
