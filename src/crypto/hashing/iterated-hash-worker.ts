// The worker thread that computes iterated hashes, one after the other: a message in, its digest out.

import { parentPort } from 'node:worker_threads';
import type { IteratedHash } from './iterated-hashes.ts';
import { iteratedDigest } from './iterated-hashes.ts';
import { yieldThisThread } from './worker-priority.ts';

yieldThisThread();
parentPort?.on('message', (parts: IteratedHash) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads, not a window
  parentPort?.postMessage(iteratedDigest(parts));
});
