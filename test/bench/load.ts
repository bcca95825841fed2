// A closed loop of load: so many calls in flight, so many calls in all.

import { connect } from 'node:http2';

/** Runs `call` `total` times, `concurrency` at once. Resolves to the seconds that it took. */
export async function inParallel(
  total: number,
  concurrency: number,
  call: (index: number) => Promise<void>,
): Promise<number> {
  let next = 0;
  const worker = async () => {
    while (next < total) {
      const index = next;
      next += 1;
      await call(index);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  return (performance.now() - start) / 1000;
}

/** Tells whether so many milliseconds have gone by since now. */
export function after(ms: number): () => boolean {
  const end = performance.now() + ms;
  return () => performance.now() >= end;
}

/** Runs `work` and tells how many milliseconds it took. */
export async function timed<Result>(work: () => Promise<Result>): Promise<{ result: Result; ms: number }> {
  const start = performance.now();
  const result = await work();
  return { result, ms: performance.now() - start };
}

/** A connection that makes unary calls with bytes in and bytes out. */
export type Caller = {
  call(path: string, request: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<Buffer>;
  close(): void;
};

// Compressed flag and length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX_LENGTH = 5;

/**
 * A client on bare HTTP/2, which costs half of what a gRPC library's does: it shares the machine with what is measured. Errors: a call that
 * is answered without a message.
 */
export function openCaller(address: string): Caller {
  const session = connect(`http://${address}`);
  return {
    call(path, request, headers = {}) {
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('error', reject);
      stream.on('end', () => {
        const body = Buffer.concat(parts);
        if (body.length < PREFIX_LENGTH) reject(new Error(`${path} was refused`));
        else resolve(body.subarray(PREFIX_LENGTH));
      });
      const prefix = Buffer.alloc(PREFIX_LENGTH);
      prefix.writeUInt32BE(request.length, 1);
      stream.end(Buffer.concat([prefix, request]));
      return promise;
    },
    close: () => session.close(),
  };
}
