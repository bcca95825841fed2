// scrypt hashes of libraries for Node: better-auth, Lucia and Oslo write `salt:key` in hexadecimal, and their parameters nowhere.

import type { VerifyPassword } from '../hashing/hash-bytes.ts';
import { readScrypt } from './legacy-scrypt.ts';

// The salt counts as the text that it is, not as its bytes.
const FORM = /^(?<version>s2:)?(?<salt>[0-9a-f]{16,64}):(?<key>[0-9a-f]{128})$/;

/**
 * The check of `salt:key` of better-auth, Lucia 3 and Oslo (scrypt with N = 16384, r = 16, p = 1), of Lucia 2, which writes `s2:` before it, and of Lucia 1,
 * which wrote the same with r = 8: which of the two it is does not show, so both are tried. All of them hash the password's NFKC, which the caller tries.
 */
export function readNodeScrypt(text: string): VerifyPassword | undefined {
  const { version, salt = '', key = '' } = FORM.exec(text)?.groups ?? {};
  if (key === '') return undefined;
  const blockSizes = version === undefined ? [16, 8] : [16];
  const checks = blockSizes.flatMap((r) => readScrypt(`scrypt:16384:${r}:1$${salt}$${key}`) ?? []);
  return async (password) => {
    for (const verify of checks) if (await verify(password)) return true;
    return false;
  };
}
