// Hashes of ASP.NET Core Identity, version 3: one Base64 text of header, salt and key.

import { pbkdf2 } from 'node:crypto';
import type { VerifyPassword } from '../hashing/hash-bytes.ts';
import { base64Bytes, saltAndKey, sameBytes } from '../hashing/hash-bytes.ts';

const FORM = /^AQ[A-Za-z0-9+/]{60,600}={0,2}$/;
const VERSION = 1;
const HEADER_LENGTH = 13;
// KeyDerivationPrf, by its number.
const DIGESTS = ['sha1', 'sha256', 'sha512'];
const DIGEST_LENGTHS = [20, 32, 64];
const MAX_ITERATIONS = 10_000_000;

/** The check of an ASP.NET Core Identity hash: PBKDF2 with what the header says, its numbers big-endian. */
export function readAspNet(text: string): VerifyPassword | undefined {
  const bytes = FORM.test(text) ? base64Bytes(text) : undefined;
  if (bytes === undefined || bytes[0] !== VERSION) return undefined;
  const [prf, iterations, saltLength] = [1, 5, 9].map((offset) => bytes.readUInt32BE(offset));
  const digest = DIGESTS[prf ?? -1];
  if (digest === undefined || iterations === undefined || saltLength === undefined) return undefined;
  const known = saltAndKey(
    bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + saltLength),
    bytes.subarray(HEADER_LENGTH + saltLength),
  );
  if (known === undefined || known.salt.length !== saltLength || iterations < 1) return undefined;
  const { salt, key } = known;
  if (iterations * Math.ceil(key.length / (DIGEST_LENGTHS[prf ?? -1] ?? 1)) > MAX_ITERATIONS)
    return undefined;
  return (password) =>
    new Promise((resolve, reject) => {
      pbkdf2(password, salt, iterations, key.length, digest, (error, derived) => {
        if (error === null) resolve(sameBytes(derived, key));
        else reject(error);
      });
    });
}
