// A process that holds 1,000,000 live revocations and nothing else. Tells its parent what they cost.

import { randomUUID } from 'node:crypto';
import { nextTurn } from '../../src/domain/next-turn.ts';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import { MAX_PER_PAGE } from '../../src/domain/revocation/revocation-store.ts';
import type { Revocation } from '../../src/domain/revocation/revocation.ts';
import { longestTurn } from './longest-turn.ts';

/** `rssMiB` is the growth of resident memory; the others are the CPU milliseconds of the longest turn of the event loop. */
export type Cost = { readonly rssMiB: number; readonly loadMs: number; readonly expireMs: number };

const COUNT = 1_000_000;
const WARM_UP = 50_000;
const LIFETIME_MS = 15 * 60_000;

const time = { now: Date.now() };
const clock = { now: () => time.now };

function newIndex(): RevocationIndex {
  return new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
}

function newRevocation(_unused: unknown, number: number): Revocation {
  const times = { revokeTime: time.now, expireTime: time.now + LIFETIME_MS + (number % 60) * 1_000 };
  if (number % 3 === 0) return { form: 'token', id: randomUUID(), ...times };
  if (number % 3 === 1) return { form: 'session', id: randomUUID(), ...times };
  return { form: 'subject', id: randomUUID(), minVersion: number, ...times };
}

async function load(index: RevocationIndex, count: number): Promise<void> {
  for (let loaded = 0; loaded < count; loaded += MAX_PER_PAGE) {
    index.apply(Array.from({ length: MAX_PER_PAGE }, newRevocation));
    await nextTurn();
  }
}

async function expire(index: RevocationIndex): Promise<void> {
  time.now += 2 * LIFETIME_MS;
  while (index.size > 0) {
    index.prune();
    await nextTurn();
  }
}

/** Resident bytes once garbage is gone. */
async function residentBytes(): Promise<number> {
  for (let round = 0; round < 5; round += 1) {
    globalThis.gc?.();
    await nextTurn();
  }
  return process.memoryUsage.rss();
}

const first = newIndex();
await load(first, WARM_UP);
await expire(first);
const index = newIndex();
const before = await residentBytes();
const loadMs = await longestTurn(() => load(index, COUNT));
const rssMiB = ((await residentBytes()) - before) / 2 ** 20;
const expireMs = await longestTurn(() => expire(index));
process.send?.({ rssMiB, loadMs, expireMs } satisfies Cost);
