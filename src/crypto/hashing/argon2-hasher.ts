// Password hashing by argon2id (RFC 9106) on the thread pool, and the check of what other algorithms made.

import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { argon2id, hash, needsRehash, verify } from 'argon2';
import type { HashShapes } from '../../domain/password/hash-census.ts';
import type { PasswordHasher } from '../../domain/password/password-hasher.ts';
import { isArgon2Hash, MAX_ARGON2 } from './argon2-hash.ts';
import type { VerifyPassword } from './hash-bytes.ts';
import { HashingQueue } from './hashing-queue.ts';
import { yieldToEventLoop } from './worker-priority.ts';
import { inKnownForm } from '../legacy-hashes/hash-forms.ts';
import { readLegacyHash } from '../legacy-hashes/legacy-hashes.ts';
import { inOurSpelling, spellingsOf } from './password-spellings.ts';
import { StandIns } from './stand-ins.ts';

/** Memory in KiB, passes, lanes; and how many hashes run at once and wait. */
export type Argon2Settings = {
  readonly memoryCost: number;
  readonly timeCost: number;
  readonly parallelism: number;
  readonly slots: number;
  readonly maxWaiting: number;
};

/** What the library makes unless told otherwise. */
const SALT_LENGTH = 16;
const DIGEST_LENGTH = 32;

/** A hasher that learns which hashes the accounts have. */
export type Argon2Hasher = PasswordHasher & HashShapes;

/** A hasher. `standInSecret` chooses which accounts unknown ones look like. */
export async function argon2Hasher(
  settings: Argon2Settings,
  standInSecret: Uint8Array = randomBytes(32),
): Promise<Argon2Hasher> {
  const { memoryCost, timeCost, parallelism } = settings;
  const parameters = { type: argon2id, memoryCost, timeCost, parallelism } as const;
  const queue = new HashingQueue(settings);
  const standIns = new StandIns(
    standInSecret,
    await hashOfNothing(settings),
    (text) => checkOf(text) !== undefined,
  );
  yieldToEventLoop();

  // The stand-in is chosen whether it is needed or not, and checked as it would be if it were an account's. How often depends on the password that is
  // sent and not on the account: a wrong one is tried in all its spellings, three at most, whatever is stored, also nothing.
  const check = async (
    passwordHash: string | undefined,
    password: string,
    identifier: string | undefined,
  ): Promise<boolean> => {
    const standIn = standIns.of(identifier);
    const own = passwordHash === undefined ? undefined : checkOf(passwordHash);
    const matches = own ?? checkOf(standIn);
    for (const spelling of spellingsOf(password))
      if ((await matches?.(spelling)) === true && own !== undefined) return true;
    return false;
  };

  return {
    learn: (hashes) => standIns.learn(hashes),
    admit: (work) => queue.admit(work),
    hash(password, signal) {
      return queue.run(() => hash(inOurSpelling(password), parameters), signal);
    },
    verify(passwordHash, password, signal, identifier) {
      return queue.run(() => check(passwordHash, password, identifier), signal);
    },
    needsRehash(passwordHash) {
      return (
        !passwordHash.startsWith('$argon2id$') ||
        needsRehash(passwordHash, { memoryCost, timeCost, parallelism })
      );
    },
  };
}

// Salt and digest drawn at random: checking it costs what checking a hash does, no password is known to match it, and nothing is computed for it. The
// draw is on the thread pool, which it starts.
async function hashOfNothing({ memoryCost, timeCost, parallelism }: Argon2Settings): Promise<string> {
  const bytes = await promisify(randomBytes)(SALT_LENGTH + DIGEST_LENGTH);
  const [salt, digest] = [bytes.subarray(0, SALT_LENGTH), bytes.subarray(SALT_LENGTH)].map((part) =>
    part.toString('base64').replaceAll('=', ''),
  );
  return `$argon2id$v=19$m=${memoryCost},p=${parallelism},t=${timeCost}$${salt}$${digest}`;
}

/** The check of a hash of any algorithm that we know; undefined for any other text, and for one that would cost too much. */
function checkOf(passwordHash: string): VerifyPassword | undefined {
  const known = inKnownForm(passwordHash);
  return isArgon2Hash(known, MAX_ARGON2) ? (password) => verify(known, password) : readLegacyHash(known);
}
