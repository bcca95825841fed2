// RefreshToken against the same statements issued bare through `pg`, prepared as ours are, on the same durable Postgres; and against them unprepared.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import {
  AuthService,
  RefreshTokenRequestSchema,
  RefreshTokenResponseSchema,
} from '../../gen/latchkey/v1/auth_service_pb.ts';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import { GOOD_PASSWORD } from '../support/service.ts';
import type { Caller } from './load.ts';
import { inParallel, openCaller } from './load.ts';
import type { NodeUnderLoad } from './node-under-load.ts';
import { startNodeUnderLoad } from './node-under-load.ts';
import type { Metric } from './report.ts';
import { median } from './report.ts';

const SESSIONS = 1_000;
const CONCURRENCY = 128;
// As many as it takes for collections of garbage to fall on either side.
const ROUNDS = 40;
const WARM_UP_ROUNDS = 5;

/** A session by its current refresh token. */
export type Chain = { readonly sessionId: string; refreshToken: string };

export async function benchRefresh(): Promise<Metric[]> {
  const postgres = await startPrivatePostgres({ durable: true });
  const node = await startNodeUnderLoad({ DATABASE_URL: postgres.url });
  try {
    const ours = await openChains(node, SESSIONS);
    const bareIds = (await openChains(node, SESSIONS)).map((chain) => chain.sessionId);
    const caller = openCaller(node.grpc);
    const refreshRates: number[] = [];
    const bareRates: number[] = [];
    const preparedRates: number[] = [];
    const cpu: number[] = [];
    const bareRate = async (isPrepared: boolean) =>
      SESSIONS /
      (await node.ask({ ask: 'statements', sessionIds: bareIds, concurrency: CONCURRENCY, isPrepared }));
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      const before = await node.ask({ ask: 'cpu' });
      const seconds = await inParallel(SESSIONS, CONCURRENCY, (index) => refresh(caller, ours[index]));
      const microseconds = (await node.ask({ ask: 'cpu' })) - before;
      const bare = await bareRate(false);
      const prepared = await bareRate(true);
      if (round < 0) continue;
      refreshRates.push(SESSIONS / seconds);
      bareRates.push(bare);
      preparedRates.push(prepared);
      cpu.push(microseconds / SESSIONS);
    }
    caller.close();
    const refreshRate = median(refreshRates);
    return [
      {
        name: 'refresh-vs-postgres',
        value: refreshRate / median(preparedRates),
        unit: 'ratio',
        goal: '≥ 0.80',
      },
      { name: 'refresh-vs-unprepared', value: refreshRate / median(bareRates), unit: 'ratio', goal: '' },
      { name: 'refresh-rate', value: refreshRate, unit: 'refreshes/s', goal: '' },
      { name: 'bare-statements-rate', value: median(bareRates), unit: 'statements/s', goal: '' },
      { name: 'prepared-statements-rate', value: median(preparedRates), unit: 'statements/s', goal: '' },
      { name: 'refresh-cpu', value: median(cpu), unit: 'µs CPU/call', goal: '' },
    ];
  } finally {
    node.stop();
    await postgres.stop();
  }
}

/** Logs somebody new in, so many times. */
export async function openChains(node: NodeUnderLoad, count: number): Promise<Chain[]> {
  const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${node.grpc}` }));
  const identifier = `${crypto.randomUUID()}@example.com`;
  await auth.register({ email: identifier, password: GOOD_PASSWORD, fullName: 'Bench' });
  const chains: Chain[] = [];
  await inParallel(count, CONCURRENCY, async () => {
    const { outcome } = await auth.login({ identifier, password: GOOD_PASSWORD });
    if (outcome.case === 'tokens')
      chains.push({ sessionId: outcome.value.sessionId, refreshToken: outcome.value.refreshToken });
  });
  return chains;
}

/** Refreshes the session. */
export async function refresh(caller: Caller, chain: Chain | undefined): Promise<void> {
  if (chain === undefined) throw new Error('a session is missing');
  const request = toBinary(
    RefreshTokenRequestSchema,
    create(RefreshTokenRequestSchema, { refreshToken: chain.refreshToken }),
  );
  const response = await caller.call('/latchkey.v1.AuthService/RefreshToken', request);
  chain.refreshToken = fromBinary(RefreshTokenResponseSchema, response).tokens?.refreshToken ?? '';
}
