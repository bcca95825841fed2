// What a validation costs by how many live tokens take turns, and one token in a batch beside one alone, in CPU time of the server.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  BatchValidateTokensRequestSchema,
  ValidateTokenRequestSchema,
} from '../../gen/latchkey/v1/auth_service_pb.ts';
import { findPostgres, startPrivatePostgres } from '../support/private-postgres.ts';
import type { Caller } from './load.ts';
import { inParallel, openCaller } from './load.ts';
import type { NodeUnderLoad } from './node-under-load.ts';
import { startNodeUnderLoad } from './node-under-load.ts';
import type { Metric } from './report.ts';
import { median } from './report.ts';

const MANY = Number(process.env['LATCHKEY_BENCH_TOKENS'] ?? 200_000);
const FEW = 1_000;
const PEOPLE = 300;
const BATCH = 1_000;
const CONCURRENCY = 64;
const BATCHES_AT_ONCE = 4;
const ROUNDS = 40;
const CALLS = 1_000;
const BATCHES = 4;
const WARM_UP_ROUNDS = 5;
const MIB = 1_048_576;

/** Calls of one kind, that go on where the last round of them ended. */
type Load = { readonly perRound: number; readonly run: () => Promise<unknown> };

export async function benchWorkingSet(): Promise<Metric[]> {
  // The embedded database shares the process, and its idle work would be counted with the calls.
  const postgres = findPostgres() === undefined ? undefined : await startPrivatePostgres();
  const node = await startNodeUnderLoad({
    ACCESS_TOKEN_TTL: '1h',
    ...(postgres === undefined ? {} : { DATABASE_URL: postgres.url }),
  });
  const caller = openCaller(node.grpc);
  try {
    return await measureAll(node, caller, await tokensOf(node));
  } finally {
    caller.close();
    node.stop();
    await postgres?.stop();
  }
}

async function measureAll(node: NodeUnderLoad, caller: Caller, tokens: readonly string[]): Promise<Metric[]> {
  const headers = { authorization: `Bearer ${node.gatewayKey}` };
  const few = singles(caller, headers, tokens.slice(0, FEW));
  const many = singles(caller, headers, tokens);
  const batch = batches(caller, headers, tokens.slice(0, BATCH));
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) for (const load of [few, batch]) await load.run();
  const liveBefore = await node.ask({ ask: 'live-bytes' });
  // The first look at each verifies its signature.
  for (let first = 0; first < tokens.length; first += BATCH)
    await batches(caller, headers, tokens.slice(first, first + BATCH), 1).run();
  const liveAfter = await node.ask({ ask: 'live-bytes' });
  const cacheBytes = await node.ask({ ask: 'token-cache' });
  const costs = await inTurns(node, { few, many, batch });
  return [
    { name: 'validate-working-set', value: costs.many / costs.few, unit: 'ratio', goal: '≤ 1.2' },
    { name: 'validate-cpu-1e3', value: costs.few, unit: 'µs CPU/token', goal: '' },
    { name: 'validate-cpu-2e5', value: costs.many, unit: 'µs CPU/token', goal: '' },
    { name: 'token-cache-memory', value: (liveAfter - liveBefore) / MIB, unit: 'MiB', goal: '≤ 96' },
    { name: 'token-cache-counted', value: cacheBytes / MIB, unit: 'MiB', goal: '' },
    { name: 'batch-per-token', value: costs.few / costs.batch, unit: 'ratio', goal: '≥ 15' },
    { name: 'batch-cpu', value: costs.batch, unit: 'µs CPU/token', goal: '' },
  ];
}

// In turns, so that what else the machine does falls on all alike.
async function inTurns<Name extends string>(
  node: NodeUnderLoad,
  loads: Readonly<Record<Name, Load>>,
): Promise<Record<Name, number>> {
  const costs = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, { perRound, run }] of Object.entries<Load>(loads)) {
      const before = await node.ask({ ask: 'cpu' });
      await run();
      const cost = ((await node.ask({ ask: 'cpu' })) - before) / perRound;
      costs.set(name, [...(costs.get(name) ?? []), cost]);
    }
  }
  return Object.fromEntries([...costs].map(([name, each]) => [name, median(each)])) as Record<Name, number>;
}

function singles(caller: Caller, headers: Readonly<Record<string, string>>, tokens: readonly string[]): Load {
  const requests = tokens.map((token) =>
    toBinary(ValidateTokenRequestSchema, create(ValidateTokenRequestSchema, { token })),
  );
  let next = 0;
  return {
    perRound: CALLS,
    run: () =>
      inParallel(CALLS, CONCURRENCY, async () => {
        const request = requests[next % requests.length];
        next += 1;
        if (request === undefined) throw new Error('there are no tokens');
        await caller.call('/latchkey.v1.AuthService/ValidateToken', request, headers);
      }),
  };
}

function batches(
  caller: Caller,
  headers: Readonly<Record<string, string>>,
  tokens: readonly string[],
  count = BATCHES,
): Load {
  const requests = tokens.map((token) => ({ token }));
  const request = toBinary(
    BatchValidateTokensRequestSchema,
    create(BatchValidateTokensRequestSchema, { requests }),
  );
  return {
    perRound: count * tokens.length,
    run: () =>
      inParallel(count, BATCHES_AT_ONCE, async () => {
        await caller.call('/latchkey.v1.AuthService/BatchValidateTokens', request, headers);
      }),
  };
}

async function tokensOf(node: NodeUnderLoad): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
  const file = join(folder, 'tokens');
  try {
    await node.ask({ ask: 'mint', tokens: MANY, people: PEOPLE, file });
    return readFileSync(file, 'utf8').split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
