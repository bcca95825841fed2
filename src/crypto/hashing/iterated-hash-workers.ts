// Computes iterated hashes off the event loop, in threads that are kept for the next.

import { Worker } from 'node:worker_threads';
import type { IteratedHash } from './iterated-hashes.ts';

const PROGRAM = new URL('./iterated-hash-worker.ts', import.meta.url);

const idle = new Set<Worker>();

/**
 * The digest of `parts`, computed in a thread of its own. There are as many threads as were ever needed at once: callers bound that (the hashing
 * queue does). An idle thread keeps no process alive. Errors: those of the thread, which is replaced.
 */
export async function digestInWorker(parts: IteratedHash): Promise<string> {
  const worker = takeIdle() ?? startWorker();
  worker.ref();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const onExit = () => reject(new Error('the thread of an iterated hash ended'));
  worker.once('message', resolve).once('error', reject).once('exit', onExit);
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads, not a window
    worker.postMessage(parts);
    const digest = await promise;
    worker.unref();
    idle.add(worker);
    return digest;
  } finally {
    worker.off('message', resolve).off('error', reject).off('exit', onExit);
  }
}

function takeIdle(): Worker | undefined {
  const [worker] = idle;
  if (worker !== undefined) idle.delete(worker);
  return worker;
}

// One that ends while it is idle is not used again; whatever it ended of, the next has a thread of its own.
function startWorker(): Worker {
  const worker = new Worker(PROGRAM);
  const discard = () => idle.delete(worker);
  return worker.on('error', discard).on('exit', discard);
}
