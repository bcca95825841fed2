// Hashing yields to serving, where threads have priorities.

import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { expect, it } from 'vitest';

import { argon2Hasher } from '../../src/crypto/hashing/argon2-hasher.ts';
import { HASHING_NICENESS } from '../../src/crypto/hashing/worker-priority.ts';

const isLinux = process.platform === 'linux';

it.runIf(isLinux)('a hasher lowers the threads that hash, and not the one that serves', async () => {
  const settings = { memoryCost: 1_024, timeCost: 1, parallelism: 1, slots: 1, maxWaiting: 1 };
  await argon2Hasher(settings);
  const threads = readdirSync('/proc/self/task').map((id) => ({
    priority: getPriority(Number(id)),
    name: readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim(),
  }));
  const workers = threads.filter(({ name }) => name === 'libuv-worker');
  expect(workers.length).toBeGreaterThan(0);
  expect(workers.every(({ priority }) => priority === HASHING_NICENESS)).toBe(true);
  expect(getPriority(process.pid)).toBeLessThan(HASHING_NICENESS);
});
