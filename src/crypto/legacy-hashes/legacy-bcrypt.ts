// bcrypt hashes ($2a$, $2b$, $2y$), as OpenBSD, PHP, Apache, Spring and most libraries write them, and Django's over SHA-256.

import { createHash } from 'node:crypto';
import type { VerifyPassword } from '../hashing/hash-bytes.ts';

// The last digit of salt and of key holds two or four bits only: a text where more are set was made by no bcrypt.
const BCRYPT =
  /^\$2[aby]\$(?<cost>\d\d)(?<rest>\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26])$/;
// A second or two of one core. Each more doubles it.
const COST = { min: 4, max: 16 };
/** What bcrypt looks at; the rest of a password never counted. */
const MAX_BYTES = 72;

/**
 * The check of a bcrypt hash. Like bcrypt itself it sees the first 72 bytes of a password. The three letters differ in how old versions broke
 * long passwords; cut before the library sees them they are one algorithm, which it knows by the name `2b`.
 */
export function readBcrypt(text: string): VerifyPassword | undefined {
  const { cost = '', rest = '' } = BCRYPT.exec(text)?.groups ?? {};
  if (rest === '' || Number(cost) < COST.min || Number(cost) > COST.max) return undefined;
  return async (password) => {
    // Loaded by the first login that needs it: most installations have no such hash.
    const { compare } = await import('bcrypt');
    return compare(Buffer.from(password).subarray(0, MAX_BYTES), `$2b$${cost}${rest}`);
  };
}

const DJANGO_PREFIX = 'bcrypt_sha256$';

/** The check of Django's `bcrypt_sha256$…`: bcrypt of the password's SHA-256 in hexadecimal, so that all of the password counts. */
export function readDjangoBcrypt(text: string): VerifyPassword | undefined {
  const verify = text.startsWith(DJANGO_PREFIX) ? readBcrypt(text.slice(DJANGO_PREFIX.length)) : undefined;
  if (verify === undefined) return undefined;
  return (password) => verify(createHash('sha256').update(password).digest('hex'));
}
