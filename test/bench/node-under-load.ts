// The parent's side of server-process.ts.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { z } from 'zod';
import type { Question } from './server-process.ts';

const Addresses = z.object({ grpc: z.string(), gatewayKey: z.string() });
const Answer = z.object({ value: z.number() });

/** A node in a process of its own. */
export type NodeUnderLoad = {
  readonly grpc: string;
  readonly gatewayKey: string;
  ask(question: Question): Promise<number>;
  stop(): void;
};

/** Starts a node with these LATCHKEY_ variables (without the prefix). */
export async function startNodeUnderLoad(
  variables: Readonly<Record<string, string>>,
): Promise<NodeUnderLoad> {
  const child = fork(join(import.meta.dirname, 'server-process.ts'), [JSON.stringify(variables)]);
  const next = async <Message>(read: z.ZodType<Message>): Promise<Message> => {
    const messages: unknown[] = await once(child, 'message');
    return read.parse(messages[0]);
  };
  const addresses = await next(Addresses);
  return {
    ...addresses,
    async ask(question) {
      const answered = next(Answer);
      child.send(question);
      return (await answered).value;
    },
    stop() {
      child.disconnect();
    },
  };
}
