// Firebase's scrypt hashes (github.com/firebase/scrypt), in the text form that Supabase and Hanko take them in.

import { createCipheriv, scrypt } from 'node:crypto';
import type { VerifyPassword } from '../hashing/hash-bytes.ts';
import { base64Bytes, sameBytes } from '../hashing/hash-bytes.ts';

// `n` is the logarithm of scrypt's N (Firebase: mem_cost), `r` its r (rounds); `ss` the salt separator and `sk` the signer key of the project.
const FBSCRYPT =
  /^\$fbscrypt\$v=1,n=(?<n>\d{1,2}),r=(?<r>\d{1,3}),p=(?<p>\d{1,2})(?:,ss=(?<separator>[^,$]+))?,sk=(?<signer>[^$]+)\$(?<salt>[^$]+)\$(?<hash>[^$]+)$/;

const MAX_MEMORY_BYTES = 256 * 1024 * 1024;
const MAX_WORK_BYTES = 4 * MAX_MEMORY_BYTES;
/** AES-256. */
const KEY_LENGTH = 32;
const IV = Buffer.alloc(16);
const MAX_LENGTH = 256;

/** The check of a Firebase hash: what scrypt derives of the password encrypts the project's signer key, and the result is the hash. */
export function readFirebase(text: string): VerifyPassword | undefined {
  const found = FBSCRYPT.exec(text)?.groups;
  if (found === undefined) return undefined;
  const { n, r, p, separator = '', signer = '', salt = '', hash = '' } = found;
  const cost = { N: 2 ** Number(n), r: Number(r), p: Number(p) };
  const bytes = [salt, separator, signer, hash].map(base64Bytes);
  const [saltBytes, separatorBytes, signerKey, expected] = bytes;
  if (saltBytes === undefined || separatorBytes === undefined) return undefined;
  if (signerKey === undefined || expected === undefined) return undefined;
  const isWhole =
    expected.length === signerKey.length && expected.length >= KEY_LENGTH && saltBytes.length > 0;
  if (!isWhole || bytes.some((part) => (part?.length ?? 0) > MAX_LENGTH) || !isBearable(cost))
    return undefined;
  return verifier(cost, Buffer.concat([saltBytes, separatorBytes]), signerKey, expected);
}

type Cost = { readonly N: number; readonly r: number; readonly p: number };

// RFC 7914, section 6, for what is valid.
function isBearable({ N, r, p }: Cost): boolean {
  const isValid = r >= 1 && p >= 1 && N > 1 && Math.log2(N) < 16 * r;
  return isValid && 128 * N * r <= MAX_MEMORY_BYTES && 128 * N * r * p <= MAX_WORK_BYTES;
}

function verifier(cost: Cost, salt: Buffer, signerKey: Buffer, expected: Buffer): VerifyPassword {
  const options = { ...cost, maxmem: 128 * cost.r * (cost.N + cost.p + 2) };
  return (password) =>
    new Promise((resolve, reject) => {
      scrypt(password, salt, KEY_LENGTH, options, (error, key) => {
        if (error !== null) return reject(error);
        const cipher = createCipheriv('aes-256-ctr', key, IV);
        resolve(sameBytes(Buffer.concat([cipher.update(signerKey), cipher.final()]), expected));
      });
    });
}
