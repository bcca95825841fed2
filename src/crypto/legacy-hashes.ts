// Password hashes that other systems made: verified at the first login here, which replaces them.

import { isArgon2Hash, MAX_IMPORTED_ARGON2 } from './argon2-hash.ts';
import type { VerifyPassword } from './hash-bytes.ts';
import { readAspNet } from './legacy-aspnet.ts';
import { readBcrypt, readDjangoBcrypt } from './legacy-bcrypt.ts';
import { readFirebase } from './legacy-firebase.ts';
import { readPbkdf2 } from './legacy-pbkdf2.ts';
import { readScrypt } from './legacy-scrypt.ts';

// None that we know is longer, and nothing longer is worth a look.
const MAX_LENGTH = 1_024;
const READERS = [readBcrypt, readScrypt, readPbkdf2, readFirebase, readDjangoBcrypt, readAspNet];

/** The check of a hash by bcrypt, scrypt or PBKDF2; undefined for any other text, and for one that would cost more than we spend. */
export function readLegacyHash(text: string): VerifyPassword | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  for (const read of READERS) {
    const verify = read(text);
    if (verify !== undefined) return verify;
  }
  return undefined;
}

/** Whether the text is a hash that a login here can verify at a bearable cost: argon2, bcrypt, scrypt or PBKDF2. Pure. */
export function isKnownHash(text: string): boolean {
  return isArgon2Hash(text, MAX_IMPORTED_ARGON2) || readLegacyHash(text) !== undefined;
}
