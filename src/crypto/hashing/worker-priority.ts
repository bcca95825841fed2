// Lets hashing yield to serving: a flood of logins takes what the event loop leaves.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';

const WORKER = 'libuv-worker';
/** A third of the ordinary weight: behind the event loop, and not starved by whatever else the machine runs. */
export const HASHING_NICENESS = 5;

/**
 * Lowers the priority of the thread pool's threads, and so of the threads that a hash starts for its lanes: the scheduler then runs the
 * event loop first, and validation keeps its pace under a flood. Call it when the pool has started. Where threads have no priorities of
 * their own (anything but Linux) nothing happens.
 */
export function yieldToEventLoop(): void {
  for (const thread of threads()) if (thread.name === WORKER) lower(thread.id);
}

/** Lowers the priority of the calling thread in the same way: for a worker that hashes. */
export function yieldThisThread(): void {
  try {
    lower(Number(basename(readlinkSync('/proc/thread-self'))));
  } catch {
    return;
  }
}

function threads(): ReadonlyArray<{ readonly id: number; readonly name: string }> {
  try {
    return readdirSync('/proc/self/task').map((id) => ({
      id: Number(id),
      name: readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim(),
    }));
  } catch {
    return [];
  }
}

// A thread may end meanwhile, and a sandbox may forbid it: hashing is then as urgent as before.
function lower(thread: number): void {
  try {
    setPriority(thread, HASHING_NICENESS);
  } catch {
    return;
  }
}
