// The parent's side of load-process.ts.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { LoadRequest } from './load-request.ts';
import { LoadResult } from './load-request.ts';

/** A load client, in a process of its own. */
export type LoadClient = {
  /** Opens the connections of the next round. */
  open(): Promise<void>;
  /** Makes calls for so many milliseconds, then closes the connections. Errors: when a call was not answered with success. */
  run(milliseconds: number): Promise<LoadResult>;
  stop(): void;
};

/** Starts a load client. */
export function startLoadClient(request: LoadRequest): LoadClient {
  const child = fork(join(import.meta.dirname, 'load-process.ts'), [JSON.stringify(request)]);
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`the load on ${request.url} ended`)));
  ended.catch(() => undefined);
  const ask = async (message: 'open' | number): Promise<unknown> => {
    const answered = Promise.race([once(child, 'message'), ended]);
    child.send(message);
    const messages: unknown[] = await answered;
    return messages[0];
  };
  return {
    open: async () => void (await ask('open')),
    async run(milliseconds) {
      const result = LoadResult.parse(await ask(milliseconds));
      if (result.failures > 0)
        throw new Error(`${result.failures} of ${result.calls} calls of ${request.url} failed`);
      return result;
    },
    stop() {
      if (child.connected) child.disconnect();
    },
  };
}
