// Gives back the memory that the start took and that nothing holds any more.

import { Session } from 'node:inspector/promises';

/**
 * One full collection, which also shrinks the heap: without it, what loading took stays resident until the service is busy enough for the next one. It
 * stops the event loop for some 50 ms. Never rejects: where the process may not inspect itself, the memory stays.
 */
export async function collectGarbage(): Promise<void> {
  const session = new Session();
  try {
    session.connect();
    await session.post('HeapProfiler.collectGarbage');
  } catch {
    return;
  } finally {
    session.disconnect();
  }
}
