// The input of an import: a file from where the last run came to, or standard input.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';

const CHUNK_BYTES = 1_048_576;

/** Bytes from `offset` on; they end early, and without an error, when `stop` aborts. Errors: those of reading. */
export async function* readInput(file: string, offset: number, stop: AbortSignal): AsyncGenerator<Buffer> {
  const stream: Readable =
    file === '-' ? process.stdin : createReadStream(file, { start: offset, highWaterMark: CHUNK_BYTES });
  const cut = () => stream.destroy();
  stop.addEventListener('abort', cut, { once: true });
  try {
    const chunks: AsyncIterable<Buffer> = stream;
    yield* chunks;
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    stop.removeEventListener('abort', cut);
  }
}

/** The size of the file in bytes; undefined for what is none, like a pipe, which cannot be read again from the middle. Errors: Error for a folder, and when there is nothing. */
export async function sizeOf(file: string): Promise<number | undefined> {
  if (file === '-') return undefined;
  const found = await stat(file).catch((cause: unknown) => {
    throw new Error(`${file}: there is no such file, or it cannot be seen`, { cause });
  });
  if (found.isDirectory()) throw new Error(`${file}: is a folder, not a file`);
  return found.isFile() ? found.size : undefined;
}
