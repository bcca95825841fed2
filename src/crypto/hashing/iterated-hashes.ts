// sha256_crypt, sha512_crypt and phpass: hashes that are an ordinary digest run over and over. Synchronous: run them in a worker.

import { hash } from 'node:crypto';

/** What one of these hashes is made of. */
export type IteratedHash = {
  readonly scheme: 'sha256_crypt' | 'sha512_crypt' | 'phpass';
  readonly password: Uint8Array;
  /** At most 16 bytes for SHA-crypt, 8 for phpass. */
  readonly salt: string;
  readonly rounds: number;
};

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Bytes that one run of the digest takes in. */
const BLOCK_LENGTH = { sha256_crypt: 64, sha512_crypt: 128, phpass: 64 } as const;

/** How many blocks the digest is run over, roughly: a long password makes each round dearer. Pure. */
export function blocksOf({ scheme, password, salt, rounds }: IteratedHash): number {
  const length = scheme === 'phpass' ? password.length + 16 : 2 * password.length + salt.length + 64;
  return rounds * Math.ceil(length / BLOCK_LENGTH[scheme]);
}

/** The digest as text, as it stands at the end of the hash. Blocks the thread for as long as it takes. */
export function iteratedDigest(parts: IteratedHash): string {
  if (parts.scheme === 'phpass') return phpass(parts);
  return parts.scheme === 'sha256_crypt' ? shaCrypt('sha256', parts) : shaCrypt('sha512', parts);
}

/**
 * The portable hash of phpass (openwall.com/phpass, `crypt_private`): MD5 of salt and password, then of each digest and the password. Its text has
 * the lowest bits of the bytes first.
 */
function phpass({ password, salt, rounds }: IteratedHash): string {
  const next = Buffer.alloc(16 + password.length);
  next.set(password, 16);
  let digest = hash('md5', Buffer.concat([Buffer.from(salt), password]), 'buffer');
  for (let round = 0; round < rounds; round += 1) {
    next.set(digest);
    digest = hash('md5', next, 'buffer');
  }
  return inDigits(digest, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
}

// In which order SHA-crypt writes the bytes: three at a time, lowest bits first.
const ORDER = {
  sha256: [
    20, 10, 0, 11, 1, 21, 2, 22, 12, 23, 13, 3, 14, 4, 24, 5, 25, 15, 26, 16, 6, 17, 7, 27, 8, 28, 18,
  ].concat([29, 19, 9, 30, 31]),
  sha512: [42, 21, 0, 1, 43, 22, 23, 2, 44, 45, 24, 3, 4, 46, 25, 26, 5, 47, 48, 27, 6, 7, 49, 28, 29, 8, 50]
    .concat([51, 30, 9, 10, 52, 31, 32, 11, 53, 54, 33, 12, 13, 55, 34, 35, 14, 56, 57, 36, 15, 16, 58, 37])
    .concat([38, 17, 59, 60, 39, 18, 19, 61, 40, 41, 20, 62, 63]),
} as const;

/** SHA-crypt (U. Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6): steps 1 to 22. */
function shaCrypt(digest: keyof typeof ORDER, { password, salt, rounds }: IteratedHash): string {
  const saltBytes = Buffer.from(salt);
  const run = (...parts: readonly Uint8Array[]) => hash(digest, Buffer.concat(parts), 'buffer');
  const alternate = run(password, saltBytes, password);
  const parts = [password, saltBytes, repeated(alternate, password.length)];
  for (let bits = password.length; bits > 0; bits >>= 1) parts.push(bits % 2 === 1 ? alternate : password);
  const start = run(...parts);
  const passwordBytes = repeated(run(repeated(password, password.length ** 2)), password.length);
  const saltTimes = 16 + (start[0] ?? 0);
  const saltSequence = repeated(run(repeated(saltBytes, saltBytes.length * saltTimes)), saltBytes.length);
  return inDigits(stretched(digest, start, passwordBytes, saltSequence, rounds), ORDER[digest]);
}

/** A round's input; the digest of the round before goes to `at`. */
type Round = { readonly bytes: Buffer; readonly at: number };

// Step 21. What goes into a round depends on its number by 2, 3 and 7 alone: eight inputs, made once.
function stretched(digest: string, start: Buffer, password: Buffer, salt: Buffer, rounds: number): Buffer {
  const kinds = Array.from({ length: 8 }, (_, kind): Round => {
    const [isOdd, hasSalt, hasPassword] = [1, 2, 4].map((bit) => (kind & bit) !== 0);
    const middle = [...(hasSalt === true ? [salt] : []), ...(hasPassword === true ? [password] : [])];
    const parts = isOdd === true ? [password, ...middle, start] : [start, ...middle, password];
    const bytes = Buffer.concat(parts);
    return { bytes, at: isOdd === true ? bytes.length - start.length : 0 };
  });
  let current = start;
  for (let round = 0; round < rounds; round += 1) {
    const kind = kinds[(round % 2) + (round % 3 === 0 ? 0 : 2) + (round % 7 === 0 ? 0 : 4)];
    if (kind === undefined) throw new Error('a round has one of eight kinds');
    kind.bytes.set(current, kind.at);
    current = hash(digest, kind.bytes, 'buffer');
  }
  return current;
}

function repeated(bytes: Uint8Array, length: number): Buffer {
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, bytes);
}

function inDigits(bytes: Uint8Array, order: readonly number[]): string {
  const digits: string[] = [];
  for (let at = 0; at < order.length; at += 3) {
    const group = order.slice(at, at + 3).map((index) => bytes[index] ?? 0);
    const [low = 0, middle = 0, high = 0] = group;
    let value = low | (middle << 8) | (high << 16);
    for (let digit = 0; digit <= group.length; digit += 1) {
      digits.push(ALPHABET[value & 63] ?? '');
      value >>= 6;
    }
  }
  return digits.join('');
}
