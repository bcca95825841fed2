// Makes the embedded database in a thread of its own: what making it takes, several hundred MiB, ends with the thread.

import { Worker } from 'node:worker_threads';

const PROGRAM = new URL('./embedded-maker-worker.ts', import.meta.url);

/**
 * Makes the database in `dataDir`, with its schema, and closes it. Resolves to the names of the migrations when the thread has ended. Errors: Error
 * with one line that says what to do, PGlite's.
 */
export async function makeInWorker(dataDir: string): Promise<readonly string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let names: readonly string[] = [];
  new Worker(PROGRAM, { workerData: dataDir })
    .on('message', (made: readonly string[]) => {
      names = made;
    })
    .once('error', reject)
    .once('exit', resolve);
  const code = await promise;
  if (code !== 0) throw new Error(`the thread that makes the embedded database ended with code ${code}`);
  return names;
}
