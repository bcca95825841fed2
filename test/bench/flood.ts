// Floods of logins: what five hundred at once cost in memory, how soon those are answered that find no room, and how validation fares beside them.

import { availableParallelism } from 'node:os';
import { create, toBinary } from '@bufbuild/protobuf';
import { LoginRequestSchema, ValidateTokenRequestSchema } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { GOOD_PASSWORD } from '../support/service.ts';
import { after, openCaller } from './load.ts';
import { withNode } from './node-under-load.ts';
import { logIn, register } from './people.ts';
import type { Metric } from './report.ts';
import { median, quantile } from './report.ts';

const LOGINS = 500;
const ROUNDS = 7;
const WARM_UP_ROUNDS = 3;
const A_FEW = 10;
const VALIDATION_MS = 5_000;
const MIB = 1024 * 1024;
// What the service defaults to.
const SLOTS = availableParallelism();
const DEFAULTS = {
  ARGON2_MEMORY_KIB: '65536',
  ARGON2_PASSES: '3',
  ARGON2_LANES: '4',
  HASHING_QUEUE: String(SLOTS * 8),
};

export function benchFlood(): Promise<Metric[]> {
  return withNode({ variables: DEFAULTS }, async (node) => {
    await register(node.auth, 'bench@example.com');
    const caller = openCaller(node.grpc);
    const request = toBinary(
      LoginRequestSchema,
      create(LoginRequestSchema, { identifier: 'bench@example.com', password: GOOD_PASSWORD }),
    );
    const login = () => caller.call('/latchkey.v1.AuthService/Login', request);
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) await flood(login);
    await node.ask({ ask: 'peak-rss' });
    const before = await node.ask({ ask: 'peak-rss' });
    const slowest: number[] = [];
    const typical: number[] = [];
    let most = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const refusals = await flood(login);
      most = Math.max(most, await node.ask({ ask: 'peak-rss' }));
      slowest.push(Math.max(...refusals));
      typical.push(quantile(refusals, 0.5));
    }
    const { accessToken: token } = await logIn(node.auth, 'bench@example.com');
    const question = toBinary(ValidateTokenRequestSchema, create(ValidateTokenRequestSchema, { token }));
    const headers = { authorization: `Bearer ${node.gatewayKey}` };
    const validate = () => caller.call('/latchkey.v1.AuthService/ValidateToken', question, headers);
    const quiet = await validations(validate, after(VALIDATION_MS));
    const isOver = after(VALIDATION_MS);
    const keepFlooding = async () => {
      while (!isOver()) await login().catch(() => undefined);
    };
    const flooders = Array.from({ length: SLOTS * 9 }, keepFlooding);
    const flooded = await validations(validate, isOver);
    await Promise.all(flooders);
    caller.close();
    const allowed = SLOTS * 64 + 32;
    return [
      { name: 'login-flood-memory', value: (most - before) / MIB, unit: 'MiB', goal: `≤ ${allowed}` },
      { name: 'login-flood-refusal', value: median(slowest), unit: 'ms (slowest)', goal: '≤ 50' },
      { name: 'login-flood-refusal-p50', value: median(typical), unit: 'ms', goal: '' },
      { name: 'validate-p99-flooded', value: quantile(flooded, 0.99), unit: 'ms', goal: '' },
      { name: 'validate-p99-quiet', value: quantile(quiet, 0.99), unit: 'ms', goal: '' },
    ];
  });
}

/**
 * Milliseconds until each of the logins was refused that found no room. They are all under way at once, and sent a few in each turn of the
 * event loop: what a client takes to write five hundred requests is not the server's.
 */
async function flood(login: () => Promise<unknown>): Promise<number[]> {
  const refusals: number[] = [];
  const logins: Array<Promise<unknown>> = [];
  const timed = async () => {
    const start = performance.now();
    await login().catch(() => refusals.push(performance.now() - start));
  };
  while (logins.length < LOGINS) {
    logins.push(...Array.from({ length: A_FEW }, timed));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(logins);
  return refusals;
}

/** Milliseconds that ValidateToken takes, again and again, until it is told to stop. */
async function validations(validate: () => Promise<unknown>, until: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (!until()) {
    const start = performance.now();
    await validate();
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return times;
}
