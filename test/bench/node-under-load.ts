// The parent's side of server-process.ts.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Client, Transport } from '@connectrpc/connect';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { z } from 'zod';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import type { Question } from './server-process.ts';

const Addresses = z.object({ grpc: z.string(), gatewayKey: z.string() });
const Answer = z.object({ value: z.number() });

type Variables = Readonly<Record<string, string>>;

/** A node in a process of its own. */
export type NodeUnderLoad = {
  readonly grpc: string;
  readonly gatewayKey: string;
  readonly transport: Transport;
  readonly auth: Client<typeof AuthService>;
  ask(question: Question): Promise<number>;
  stop(): void;
};

/**
 * Runs `work` with a node, started with these LATCHKEY_ variables (without the prefix), on a Postgres of its own, which syncs each commit unless
 * told otherwise. Errors: Postgres is not installed, the node ends.
 */
export async function withNode<Result>(
  { variables = {}, isDurable = true }: { readonly variables?: Variables; readonly isDurable?: boolean },
  work: (node: NodeUnderLoad, databaseUrl: string) => Promise<Result>,
): Promise<Result> {
  const postgres = await startPrivatePostgres({ durable: isDurable });
  try {
    const node = await startNodeUnderLoad({ ...variables, DATABASE_URL: postgres.url });
    try {
      return await work(node, postgres.url);
    } finally {
      node.stop();
    }
  } finally {
    await postgres.stop();
  }
}

/** Starts a node with these LATCHKEY_ variables (without the prefix). */
export async function startNodeUnderLoad(variables: Variables): Promise<NodeUnderLoad> {
  const child = fork(join(import.meta.dirname, 'server-process.ts'), [JSON.stringify(variables)]);
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the node ended')));
  ended.catch(() => undefined);
  const next = async <Message>(read: z.ZodType<Message>): Promise<Message> => {
    const messages: unknown[] = await Promise.race([once(child, 'message'), ended]);
    return read.parse(messages[0]);
  };
  const addresses = await next(Addresses);
  const transport = createGrpcTransport({ baseUrl: `http://${addresses.grpc}` });
  return {
    ...addresses,
    transport,
    auth: createClient(AuthService, transport),
    async ask(question) {
      const answered = next(Answer);
      child.send(question);
      return (await answered).value;
    },
    stop() {
      if (child.connected) child.disconnect();
    },
  };
}
