// What 1,000,000 live revocations cost: memory, how long they hold up the event loop, and ValidateToken beside them.

import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { z } from 'zod';
import { AuthService, ValidateTokenRequestSchema } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import { GOOD_PASSWORD } from '../support/service.ts';
import type { Caller } from './load.ts';
import { inParallel, openCaller } from './load.ts';
import { median } from './report.ts';
import type { Cost } from './revocation-memory.ts';
import type { Question } from './revocation-process.ts';

const COUNT = 1_000_000;
const WATCHERS = 4;
// Short rounds, taken in turn: what else the machine does falls on both alike.
const CALLS = 500;
const CONCURRENCY = 64;
const ROUNDS = 40;
const WARM_UP_ROUNDS = 10;

const CostShape = z.object({ rssMiB: z.number(), loadMs: z.number(), expireMs: z.number() });
const Started = z.object({ grpc: z.string(), gatewayKey: z.string() });
const Answer = z.object({ value: z.number() });

/** Needs a Postgres for all but the memory. */
export async function benchRevocations() {
  const { rssMiB, loadMs, expireMs } = await costInMemory();
  const [full, empty] = [await startNode(COUNT), await startNode(0)];
  try {
    // First, while neither process has done anything else.
    const { ratio, cpuMicroseconds } = await compareValidations(full, empty);
    const databaseMs = await full.ask('load');
    const one = await watchTogether(full, 1);
    const several = await watchTogether(full, WATCHERS);
    return [
      { name: 'revocations-rss', value: rssMiB, unit: 'MiB', goal: '≤ 48' },
      { name: 'revocations-apply-turn', value: loadMs, unit: 'ms CPU', goal: '≤ 10' },
      { name: 'revocations-expire-turn', value: expireMs, unit: 'ms CPU', goal: '≤ 10' },
      { name: 'revocations-load-turn', value: databaseMs, unit: 'ms CPU', goal: '≤ 10' },
      { name: 'revocations-snapshot-turn', value: one.turnMs, unit: 'ms CPU', goal: '≤ 10' },
      { name: 'revocations-snapshot-cpu', value: one.cpuSeconds, unit: 's CPU', goal: '' },
      { name: `revocations-snapshot-turn-${WATCHERS}`, value: several.turnMs, unit: 'ms CPU', goal: '≤ 10' },
      { name: `revocations-snapshot-cpu-${WATCHERS}`, value: several.cpuSeconds, unit: 's CPU', goal: '' },
      { name: 'validate-with-revocations', value: ratio, unit: 'ratio', goal: '≥ 0.95' },
      { name: 'validate-with-revocations-cpu', value: cpuMicroseconds, unit: 'µs CPU/call', goal: '' },
    ];
  } finally {
    await Promise.all([full.stop(), empty.stop()]);
  }
}

async function costInMemory(): Promise<Cost> {
  const child = fork(join(import.meta.dirname, 'revocation-memory.ts'), { execArgv: ['--expose-gc'] });
  return nextMessage(child, CostShape);
}

async function nextMessage<Message>(child: ChildProcess, shape: z.ZodType<Message>): Promise<Message> {
  const messages: unknown[] = await once(child, 'message');
  return shape.parse(messages[0]);
}

type Node = Awaited<ReturnType<typeof startNode>>;

async function startNode(count: number) {
  const postgres = await startPrivatePostgres();
  const child = fork(join(import.meta.dirname, 'revocation-process.ts'), [postgres.url, String(count)]);
  const started = await nextMessage(child, Started);
  return {
    ...started,
    async ask(question: Question): Promise<number> {
      const answered = nextMessage(child, Answer);
      child.send(question);
      return (await answered).value;
    },
    async stop(): Promise<void> {
      child.disconnect();
      await once(child, 'exit');
      await postgres.stop();
    },
  };
}

/** So many gateways that start at once, each until its snapshot is whole. */
async function watchTogether(node: Node, watchers: number) {
  const before = await node.ask('cpu');
  await node.ask('watch');
  await Promise.all(Array.from({ length: watchers }, () => readSnapshot(node)));
  const turnMs = await node.ask('watched');
  return { turnMs, cpuSeconds: ((await node.ask('cpu')) - before) / 1e6 };
}

async function readSnapshot({ grpc, gatewayKey }: Node): Promise<void> {
  const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${grpc}` }));
  const left = new AbortController();
  const headers = { authorization: `Bearer ${gatewayKey}` };
  let read = 0;
  for await (const { message } of auth.watchRevocations({}, { headers, signal: left.signal })) {
    if (message.case !== 'snapshot') continue;
    read += message.value.revocations.length;
    if (message.value.last) break;
  }
  left.abort();
  if (read < COUNT) throw new Error(`the snapshot held ${read} revocations`);
}

async function compareValidations(full: Node, empty: Node) {
  const [withMany, withNone] = [await prepareValidations(full), await prepareValidations(empty)];
  const ratios: number[] = [];
  const costs: number[] = [];
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    const manyFirst = round % 2 === 0 ? await withMany.measure() : undefined;
    const none = await withNone.measure();
    const many = manyFirst ?? (await withMany.measure());
    if (round < 0) continue;
    ratios.push(none / many);
    costs.push(many);
  }
  withMany.caller.close();
  withNone.caller.close();
  return { ratio: median(ratios), cpuMicroseconds: median(costs) };
}

/** `measure` runs one round, and answers the server's CPU microseconds for each call. */
async function prepareValidations(node: Node): Promise<{ caller: Caller; measure: () => Promise<number> }> {
  const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${node.grpc}` }));
  await auth.register({ email: 'bench@example.com', password: GOOD_PASSWORD, fullName: 'Bench' });
  const { outcome } = await auth.login({ identifier: 'bench@example.com', password: GOOD_PASSWORD });
  if (outcome.case !== 'tokens') throw new Error('login gave no tokens');
  const { accessToken: token } = outcome.value;
  const request = toBinary(ValidateTokenRequestSchema, create(ValidateTokenRequestSchema, { token }));
  const headers = { authorization: `Bearer ${node.gatewayKey}` };
  const caller = openCaller(node.grpc);
  const validate = async () =>
    void (await caller.call('/latchkey.v1.AuthService/ValidateToken', request, headers));
  return {
    caller,
    async measure() {
      const before = await node.ask('cpu');
      await inParallel(CALLS, CONCURRENCY, validate);
      return ((await node.ask('cpu')) - before) / CALLS;
    },
  };
}
