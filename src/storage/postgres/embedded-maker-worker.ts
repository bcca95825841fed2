// The thread of embedded-maker.ts: makes a database in the folder that it is given, brings its schema up to date, and closes it.

import { parentPort, workerData } from 'node:worker_threads';
import { startEngine } from './embedded-database.ts';
import { explainEmbedded } from './embedded-folder.ts';
import { migrateEmbedded } from './migrations/migrator.ts';

const dataDir = String(workerData);
try {
  const pglite = await startEngine(dataDir);
  const names = await migrateEmbedded(pglite);
  await pglite.close();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads, not a window
  parentPort?.postMessage(names);
} catch (error) {
  throw explainEmbedded(dataDir, error);
}
