// Password hashing by argon2id (RFC 9106) on the thread pool, and the check of what other algorithms made.

import { argon2id, hash, needsRehash, verify } from 'argon2';
import type { PasswordHasher } from '../domain/account/password-hasher.ts';
import { isArgon2Hash, MAX_ARGON2 } from './argon2-hash.ts';
import { HashingQueue } from './hashing-queue.ts';
import { yieldToEventLoop } from './worker-priority.ts';
import { inKnownForm } from './hash-forms.ts';
import { readLegacyHash } from './legacy-hashes.ts';
import { inOurSpelling, spellingsOf } from './password-spellings.ts';

/** Memory in KiB, passes, lanes; and how many hashes run at once and wait. */
export type Argon2Settings = {
  readonly memoryCost: number;
  readonly timeCost: number;
  readonly parallelism: number;
  readonly slots: number;
  readonly maxWaiting: number;
};

/** A hasher, ready when the hash that stands in for unknown accounts has been made with the same parameters. */
export async function argon2Hasher(settings: Argon2Settings): Promise<PasswordHasher> {
  const { memoryCost, timeCost, parallelism } = settings;
  const parameters = { type: argon2id, memoryCost, timeCost, parallelism } as const;
  const queue = new HashingQueue(settings);
  const standIn = await hash('no account has this password', parameters);
  yieldToEventLoop();

  // Whatever is stored, the stand-in's time is spent: no answer tells by coming early that an account was imported, or that its hash is none.
  const checkSpelling = async (passwordHash: string | undefined, password: string): Promise<boolean> => {
    if (passwordHash !== undefined && isArgon2Hash(passwordHash, MAX_ARGON2))
      return verify(passwordHash, password);
    const verifyLegacy = passwordHash === undefined ? undefined : readLegacyHash(passwordHash);
    const [matches] = await Promise.all([verifyLegacy?.(password), verify(standIn, password)]);
    return matches === true;
  };
  // How often it is checked depends on the password that is sent and not on the account: a wrong one is tried in all its spellings, three at most,
  // whatever is stored, also nothing.
  const check = async (passwordHash: string | undefined, password: string): Promise<boolean> => {
    const known = passwordHash === undefined ? undefined : inKnownForm(passwordHash);
    for (const spelling of spellingsOf(password)) if (await checkSpelling(known, spelling)) return true;
    return false;
  };

  return {
    admit: (work) => queue.admit(work),
    hash(password, signal) {
      return queue.run(() => hash(inOurSpelling(password), parameters), signal);
    },
    verify(passwordHash, password, signal) {
      return queue.run(() => check(passwordHash, password), signal);
    },
    needsRehash(passwordHash) {
      return (
        !passwordHash.startsWith('$argon2id$') ||
        needsRehash(passwordHash, { memoryCost, timeCost, parallelism })
      );
    },
  };
}
