// PBKDF2 hashes (RFC 8018): the PHC format, passlib's, Django's and Werkzeug's.

import { pbkdf2 } from 'node:crypto';
import type { VerifyPassword } from '../hashing/hash-bytes.ts';
import { base64Bytes, hexBytes, saltAndKey, sameBytes } from '../hashing/hash-bytes.ts';

/** Bytes that one run of the iterations derives. */
const DIGEST_LENGTH: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha512: 64 };

// `$pbkdf2-sha256$i=…[,l=…]$salt$key` of PHC, `$pbkdf2-sha256$…$salt$key` of passlib, whose `$pbkdf2$` is SHA-1.
const PHC =
  /^\$pbkdf2(?:-(?<digest>sha\d+))?\$(?:i=)?(?<rounds>\d{1,9})(?:,l=\d{1,4})?\$(?<salt>[^$]+)\$(?<key>[^$]+)$/;
const DJANGO = /^pbkdf2_(?<digest>sha\d+)\$(?<rounds>\d{1,9})\$(?<salt>[^$]+)\$(?<key>[^$]+)$/;
const WERKZEUG = /^pbkdf2:(?<digest>sha\d+):(?<rounds>\d{1,9})\$(?<salt>[^$]+)\$(?<key>[^$]+)$/;

const MAX_ITERATIONS = 10_000_000;

/** The check of a PBKDF2 hash. */
export function readPbkdf2(text: string): VerifyPassword | undefined {
  const phc = PHC.exec(text)?.groups;
  if (phc !== undefined) return check(phc, base64Bytes(phc['salt'] ?? ''), base64Bytes(phc['key'] ?? ''));
  // The salts of these two are text, not Base64.
  const django = DJANGO.exec(text)?.groups;
  if (django !== undefined)
    return check(django, Buffer.from(django['salt'] ?? ''), base64Bytes(django['key'] ?? ''));
  const werkzeug = WERKZEUG.exec(text)?.groups;
  if (werkzeug === undefined) return undefined;
  return check(werkzeug, Buffer.from(werkzeug['salt'] ?? ''), hexBytes(werkzeug['key'] ?? ''));
}

function check(
  { digest = 'sha1', rounds }: Record<string, string | undefined>,
  salt: Buffer | undefined,
  key: Buffer | undefined,
): VerifyPassword | undefined {
  const known = saltAndKey(salt, key);
  const digestLength = DIGEST_LENGTH[digest];
  const iterations = Number(rounds);
  if (known === undefined || digestLength === undefined || iterations < 1) return undefined;
  // Each digest's length of key costs all the iterations once more.
  if (iterations * Math.ceil(known.key.length / digestLength) > MAX_ITERATIONS) return undefined;
  return verifier(digest, iterations, known.salt, known.key);
}

function verifier(digest: string, iterations: number, salt: Buffer, key: Buffer): VerifyPassword {
  return (password) =>
    new Promise((resolve, reject) => {
      pbkdf2(password, salt, iterations, key.length, digest, (error, derived) => {
        if (error === null) resolve(sameBytes(derived, key));
        else reject(error);
      });
    });
}
