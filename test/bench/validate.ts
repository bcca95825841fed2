// ValidateToken with a warm token against a bare no-op RPC of the same message sizes, in calls for each CPU second of the server.

import { create, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { AuthService, ValidateTokenRequestSchema } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { GOOD_PASSWORD } from '../support/service.ts';
import { inParallel, openCaller } from './load.ts';
import type { NodeUnderLoad } from './node-under-load.ts';
import { startNodeUnderLoad } from './node-under-load.ts';
import { findPostgres, startPrivatePostgres } from '../support/private-postgres.ts';
import type { Figure } from './report.ts';
import { median } from './report.ts';

// Short rounds, taken in turn: what else the machine does falls on both alike.
const CALLS = 500;
const CONCURRENCY = 64;
const ROUNDS = 80;
const WARM_UP_ROUNDS = 20;

type Round = { readonly perCpuSecond: number; readonly perSecond: number };

export async function benchValidate(): Promise<Figure[]> {
  // The embedded database shares the process, and its idle work would be counted with the calls.
  const postgres = findPostgres() === undefined ? undefined : await startPrivatePostgres();
  const node = await startNodeUnderLoad(postgres === undefined ? {} : { DATABASE_URL: postgres.url });
  try {
    const headers = { authorization: `Bearer ${node.gatewayKey}` };
    const request = toBinary(
      ValidateTokenRequestSchema,
      create(ValidateTokenRequestSchema, { token: await newToken(node) }),
    );
    const validate = openCaller(node.grpc);
    const noOp = openCaller(node.noOp);
    const rounds = { validate: [] as Round[], noOp: [] as Round[] };
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      const validated = await measure(node, () =>
        validate.call('/latchkey.v1.AuthService/ValidateToken', request, headers),
      );
      const bare = await measure(node, () => noOp.call('/bench.NoOp/Call', request, headers));
      if (round < 0) continue;
      rounds.validate.push(validated);
      rounds.noOp.push(bare);
    }
    validate.close();
    noOp.close();
    const ratios = rounds.validate.map(
      (round, index) => round.perCpuSecond / (rounds.noOp[index]?.perCpuSecond ?? Number.NaN),
    );
    const ours = median(rounds.validate.map((round) => round.perCpuSecond));
    const bare = median(rounds.noOp.map((round) => round.perCpuSecond));
    return [
      { name: 'validate-vs-noop', value: median(ratios), unit: 'ratio', goal: '≥ 0.80' },
      { name: 'validate-cpu', value: 1e6 / ours, unit: 'µs CPU/call', goal: '' },
      { name: 'noop-cpu', value: 1e6 / bare, unit: 'µs CPU/call', goal: '' },
      {
        name: 'validate-rate',
        value: median(rounds.validate.map((round) => round.perSecond)),
        unit: 'calls/s',
        goal: '',
      },
      {
        name: 'noop-rate',
        value: median(rounds.noOp.map((round) => round.perSecond)),
        unit: 'calls/s',
        goal: '',
      },
    ];
  } finally {
    node.stop();
    await postgres?.stop();
  }
}

async function measure(node: NodeUnderLoad, call: () => Promise<Buffer>): Promise<Round> {
  const before = await node.ask({ ask: 'cpu' });
  const seconds = await inParallel(CALLS, CONCURRENCY, async () => void (await call()));
  const microseconds = (await node.ask({ ask: 'cpu' })) - before;
  return { perCpuSecond: CALLS / (microseconds / 1e6), perSecond: CALLS / seconds };
}

async function newToken(node: NodeUnderLoad): Promise<string> {
  const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${node.grpc}` }));
  await auth.register({ email: 'bench@example.com', password: GOOD_PASSWORD, fullName: 'Bench' });
  const { outcome } = await auth.login({ identifier: 'bench@example.com', password: GOOD_PASSWORD });
  if (outcome.case !== 'tokens') throw new Error('login gave no tokens');
  return outcome.value.accessToken;
}
