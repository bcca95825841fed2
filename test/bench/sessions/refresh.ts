// RefreshToken against the same statements issued bare through `pg`, prepared as ours are, on the same durable Postgres; and against them unprepared.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  RefreshTokenRequestSchema,
  RefreshTokenResponseSchema,
} from '../../../gen/latchkey/v1/auth_service_pb.ts';
import type { Caller } from '../load.ts';
import { inParallel, openCaller } from '../load.ts';
import type { NodeUnderLoad } from '../node-under-load.ts';
import { withNode } from '../node-under-load.ts';
import { logIn, register } from '../people.ts';
import { steadyRounds } from '../steady.ts';
import type { Metric } from '../report.ts';
import { median } from '../report.ts';

// One refresh of each in a round, which is long enough for collections of garbage to fall on every round.
const SESSIONS = 5_000;
const CONCURRENCY = 128;
const LOGINS_AT_ONCE = 8;
const ROUNDS = 15;

type Round = { readonly rate: number; readonly cpu: number };

/** A session by its current refresh token. */
export type Chain = { readonly sessionId: string; refreshToken: string };

export function benchRefresh(): Promise<Metric[]> {
  return withNode({}, async (node) => {
    const chains = await openChains(node, SESSIONS);
    const sessionIds = (await openChains(node, SESSIONS)).map((chain) => chain.sessionId);
    const caller = openCaller(node.grpc);
    /** Runs as many as a round has; both sides run in the node's process. */
    const round = async (run: () => Promise<number>) => {
      const before = await node.ask({ ask: 'cpu' });
      const seconds = await run();
      const cpu = (await node.ask({ ask: 'cpu' })) - before;
      return { rate: SESSIONS / seconds, cpu: cpu / SESSIONS };
    };
    const ours = () => inParallel(SESSIONS, CONCURRENCY, (index) => refresh(caller, chains[index]));
    const statements = { ask: 'statements', sessionIds, concurrency: CONCURRENCY } as const;
    const bare = (isPrepared: boolean) => node.ask({ ...statements, isPrepared });
    const rounds = await steadyRounds(
      ROUNDS,
      {
        ours: () => round(ours),
        prepared: () => round(() => bare(true)),
        unprepared: () => round(() => bare(false)),
      },
      ({ rate }) => rate,
    );
    caller.close();
    const rateOf = (side: readonly Round[]) => median(side.map(({ rate }) => rate));
    const cpuOf = (side: readonly Round[]) => median(side.map(({ cpu }) => cpu));
    const rate = rateOf(rounds.ours);
    const prepared = rateOf(rounds.prepared);
    const unprepared = rateOf(rounds.unprepared);
    return [
      { name: 'refresh-vs-postgres', value: rate / prepared, unit: 'ratio', goal: '≥ 0.80' },
      { name: 'refresh-vs-unprepared', value: rate / unprepared, unit: 'ratio', goal: '' },
      { name: 'refresh-rate', value: rate, unit: 'refreshes/s', goal: '' },
      { name: 'bare-statements-rate', value: unprepared, unit: 'statements/s', goal: '' },
      { name: 'prepared-statements-rate', value: prepared, unit: 'statements/s', goal: '' },
      { name: 'refresh-cpu', value: cpuOf(rounds.ours), unit: 'µs CPU/call', goal: '' },
      { name: 'prepared-statements-cpu', value: cpuOf(rounds.prepared), unit: 'µs CPU/call', goal: '' },
    ];
  });
}

/** Logs somebody new in, so many times. */
export async function openChains(node: NodeUnderLoad, count: number): Promise<Chain[]> {
  const identifier = `${crypto.randomUUID()}@example.com`;
  await register(node.auth, identifier);
  const chains: Chain[] = [];
  await inParallel(count, LOGINS_AT_ONCE, async () => {
    const { sessionId, refreshToken } = await logIn(node.auth, identifier);
    chains.push({ sessionId, refreshToken });
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
