// What the load client and who starts it agree on.

import type { Socket } from 'node:net';
import { z } from 'zod';

/** The call that is made again and again. */
export const LoadRequest = z.object({
  protocol: z.enum(['grpc', 'http']),
  url: z.string(),
  method: z.enum(['GET', 'POST']),
  headers: z.record(z.string(), z.string()),
  /** In base64. */
  body: z.string(),
});
export type LoadRequest = z.infer<typeof LoadRequest>;

/** What a round of load came to. */
export const LoadResult = z.object({
  calls: z.number(),
  failures: z.number(),
  seconds: z.number(),
  /** Of the client itself. */
  cpuSeconds: z.number(),
});
export type LoadResult = z.infer<typeof LoadResult>;

/** One connection of a load client. */
export type Connection = {
  /** Makes the call once more. */
  call(): void;
  /** Sends what calls have left unsent. */
  flush(): void;
  readonly socket: Socket;
};
