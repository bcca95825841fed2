// Hashes of crypt(3) by SHA-2 ($5$, $6$) and of phpass ($P$ of WordPress before 6.8, $H$ of phpBB), checked in a worker thread.

import type { VerifyPassword } from '../hashing/hash-bytes.ts';
import { sameBytes } from '../hashing/hash-bytes.ts';
import { digestInWorker } from '../hashing/iterated-hash-workers.ts';
import type { IteratedHash } from '../hashing/iterated-hashes.ts';
import { blocksOf } from '../hashing/iterated-hashes.ts';
import { asWordPressHashes } from './wordpress-passwords.ts';

const SHA_CRYPT =
  /^\$(?<id>[56])\$(?:rounds=(?<rounds>[1-9]\d{0,8})\$)?(?<salt>[^$:\n]{0,16})\$(?<digest>[./0-9A-Za-z]+)$/;
const DIGEST_LENGTH = { sha256_crypt: 43, sha512_crypt: 86, phpass: 22 } as const;
/** What a hash that names no rounds has. */
const IMPLICIT_ROUNDS = 5_000;
/** Fewer are raised to this by crypt(3), which then writes so. Of the most one check takes some seconds of a core; passlib's default is 656,000. */
export const SHA_CRYPT_ROUNDS = { min: 1_000, max: 1_000_000 } as const;

const PHPASS = /^\$[PH]\$(?<cost>[5-9A-I])(?<salt>[./0-9A-Za-z]{8})(?<digest>[./0-9A-Za-z]{22})$/;
/** The logarithm of the rounds as a digit: from 7 (`5`) to 20 (`I`); WordPress has 13, phpBB 11, passlib 19. */
const COST_DIGITS = './0123456789ABCDEFGHI';

/** A password that makes more blocks than this matches nothing: thousands of bytes, a million times. */
const MAX_BLOCKS = 8_000_000;

/** The check of a SHA-crypt hash, `$5$` or `$6$`, with or without `rounds=`. */
export function readShaCrypt(text: string): VerifyPassword | undefined {
  const found = SHA_CRYPT.exec(text)?.groups;
  if (found === undefined) return undefined;
  const { id, salt = '', digest = '' } = found;
  const scheme = id === '5' ? 'sha256_crypt' : 'sha512_crypt';
  const rounds = Number(found['rounds'] ?? IMPLICIT_ROUNDS);
  const isWhole = digest.length === DIGEST_LENGTH[scheme];
  if (!isWhole || rounds < SHA_CRYPT_ROUNDS.min || rounds > SHA_CRYPT_ROUNDS.max) return undefined;
  return (password) => matches({ scheme, password: Buffer.from(password), salt, rounds }, digest);
}

/** The check of a portable phpass hash. */
export function readPhpass(text: string): VerifyPassword | undefined {
  const { cost = '', salt = '', digest = '' } = PHPASS.exec(text)?.groups ?? {};
  if (digest === '') return undefined;
  const rounds = 2 ** COST_DIGITS.indexOf(cost);
  return async (password) => {
    for (const hashed of asWordPressHashes(password)) {
      const parts = { scheme: 'phpass', password: Buffer.from(hashed), salt, rounds } as const;
      if (await matches(parts, digest)) return true;
    }
    return false;
  };
}

async function matches(parts: IteratedHash, digest: string): Promise<boolean> {
  if (blocksOf(parts) > MAX_BLOCKS) return false;
  return sameBytes(Buffer.from(await digestInWorker(parts)), Buffer.from(digest));
}
