// Inflates the compressed message of a gRPC request, within the bounds of its method and a few at a time.

import { promisify } from 'node:util';
import { gunzip, inflate as inflateZlib } from 'node:zlib';
import { Slots } from '../transport/slots.ts';
import type { Refusal } from '../pipeline/refusal.ts';
import { malformed, tooLarge } from '../pipeline/refusal.ts';

/** Inflates to so many bytes at most. */
export type Inflate = (compressed: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>;

// A map: of an object, the caller could name what every object has.
const INFLATERS: ReadonlyMap<string, Inflate> = new Map([
  ['gzip', promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip)],
  ['deflate', promisify<Buffer, { maxOutputLength: number }, Buffer>(inflateZlib)],
]);

/** Over all requests: each may grow to the limit of its method. */
const slots = new Slots(4);

/** By the value of `grpc-encoding`; undefined for one that is not known here. */
export function inflaterOf(encoding: string): Inflate | undefined {
  return INFLATERS.get(encoding);
}

/** The message when its turn has come, or why there is none. Nothing is inflated for whom `isGone` by then. */
export async function inflated(
  inflate: Inflate,
  compressed: Buffer,
  maxBytes: number,
  isGone: () => boolean,
): Promise<{ readonly message: Buffer } | { readonly fault: Refusal }> {
  try {
    const message = await slots.run(async () =>
      isGone() ? Buffer.alloc(0) : inflate(compressed, { maxOutputLength: maxBytes }),
    );
    return { message };
  } catch (error) {
    return { fault: isTooLong(error) ? tooLarge(maxBytes) : malformed('a message does not decompress') };
  }
}

function isTooLong(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}
