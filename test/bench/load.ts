// A closed loop of load: so many calls in flight, so many calls in all.

import type { Client } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';

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

const asTheyAre = (bytes: Buffer) => bytes;

/** One unary call with bytes in and bytes out, so that the client costs as little as it can. */
export function callBytes(
  client: Client,
  path: string,
  request: Buffer,
  headers: Readonly<Record<string, string>>,
): Promise<Buffer> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asTheyAre, asTheyAre, request, metadata, (error, response) => {
      if (error !== null) reject(error);
      else resolve(response ?? Buffer.alloc(0));
    });
  });
}
