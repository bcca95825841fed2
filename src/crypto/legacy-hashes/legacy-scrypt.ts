// scrypt hashes (RFC 7914): the PHC format of passlib and others, and Werkzeug's.

import { scrypt } from 'node:crypto';
import type { VerifyPassword } from '../hashing/hash-bytes.ts';
import { base64Bytes, hexBytes, saltAndKey, sameBytes } from '../hashing/hash-bytes.ts';

type Cost = { readonly N: number; readonly r: number; readonly p: number };

const PHC = /^\$scrypt\$ln=(?<ln>\d{1,9}),r=(?<r>\d{1,5}),p=(?<p>\d{1,5})\$(?<salt>[^$]+)\$(?<key>[^$]+)$/;
const WERKZEUG = /^scrypt:(?<N>\d{1,9}):(?<r>\d{1,5}):(?<p>\d{1,5})\$(?<salt>[^$]+)\$(?<key>[^$]+)$/;

const MAX_MEMORY_BYTES = 256 * 1024 * 1024;
// Four times over the most memory: some seconds of one core.
const MAX_WORK_BYTES = 4 * MAX_MEMORY_BYTES;

/** The check of a scrypt hash. */
export function readScrypt(text: string): VerifyPassword | undefined {
  return readPhc(text) ?? readWerkzeug(text);
}

function readPhc(text: string): VerifyPassword | undefined {
  const { ln = '', r, p, salt = '', key = '' } = PHC.exec(text)?.groups ?? {};
  // Ory Kratos writes N itself where the format asks for its logarithm.
  const N = Number(ln) < 32 ? 2 ** Number(ln) : Number(ln);
  return check({ N, r: Number(r), p: Number(p) }, base64Bytes(salt), base64Bytes(key));
}

function readWerkzeug(text: string): VerifyPassword | undefined {
  const { N, r, p, salt = '', key = '' } = WERKZEUG.exec(text)?.groups ?? {};
  return check({ N: Number(N), r: Number(r), p: Number(p) }, Buffer.from(salt), hexBytes(key));
}

function check(cost: Cost, salt: Buffer | undefined, key: Buffer | undefined): VerifyPassword | undefined {
  const known = saltAndKey(salt, key);
  return known !== undefined && isBearable(cost) ? verifier(cost, known.salt, known.key) : undefined;
}

// RFC 7914, section 6: N is a power of two above 1 and below 2^(16 r).
function isBearable({ N, r, p }: Cost): boolean {
  const isValid = r >= 1 && p >= 1 && N > 1 && Number.isInteger(Math.log2(N)) && Math.log2(N) < 16 * r;
  return isValid && 128 * N * r <= MAX_MEMORY_BYTES && 128 * N * r * p <= MAX_WORK_BYTES;
}

function verifier({ N, r, p }: Cost, salt: Buffer, key: Buffer): VerifyPassword {
  // Node allows 32 MiB by default, which the usual N = 32768 exceeds.
  const options = { N, r, p, maxmem: 128 * r * (N + p + 2) };
  return (password) =>
    new Promise((resolve, reject) => {
      scrypt(password, salt, key.length, options, (error, derived) => {
        if (error === null) resolve(sameBytes(derived, key));
        else reject(error);
      });
    });
}
