// Asks the standard gRPC health service, as an orchestrator does.

import { Client, credentials } from '@grpc/grpc-js';
import type { TestService } from '../support/service.ts';

// grpc.health.v1: field 1 of the answer is the status, an enum.
const STATUS_TAG = 0x08;
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** The status of the server as a whole; the error's text when it does not answer. */
export function healthOf(node: Pick<TestService, 'grpcAddress'>): Promise<string> {
  const client = new Client(node.grpcAddress, credentials.createInsecure());
  const asTheyAre = (bytes: Buffer) => bytes;
  return new Promise<string>((resolve) => {
    const empty = Buffer.alloc(0);
    const options = { deadline: Date.now() + 5_000 };
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      asTheyAre,
      asTheyAre,
      empty,
      options,
      (error, answer) => {
        if (error !== null) resolve(error.message);
        else resolve(STATUSES[answer?.[0] === STATUS_TAG ? (answer[1] ?? 0) : 0] ?? '');
      },
    );
  }).finally(() => client.close());
}
