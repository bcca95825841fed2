// Password hashing by argon2id (RFC 9106) on the thread pool.

import { argon2id, hash, needsRehash, verify } from 'argon2';
import type { PasswordHasher } from '../domain/account/password-hasher.ts';
import { HashingQueue } from './hashing-queue.ts';
import { yieldToEventLoop } from './worker-priority.ts';

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

  return {
    admit: (work) => queue.admit(work),
    hash(password, signal) {
      return queue.run(() => hash(password, parameters), signal);
    },
    async verify(passwordHash, password, signal) {
      const matches = await queue.run(() => verify(passwordHash ?? standIn, password), signal);
      return passwordHash !== undefined && matches;
    },
    needsRehash(passwordHash) {
      return (
        !passwordHash.startsWith('$argon2id$') ||
        needsRehash(passwordHash, { memoryCost, timeCost, parallelism })
      );
    },
  };
}
