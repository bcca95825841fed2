// What a call costs each of several servers: rounds of seconds in turn, each saturating one server, after all are warm.

import type { Metric } from '../report.ts';
import { median } from '../report.ts';
import type { LoadClient } from './load-client.ts';
import { processTimes } from './process-times.ts';
import { mapValues, steadyRounds } from '../steady.ts';

const ROUND_MS = 3_000;
const ROUNDS = 5;
const SATURATED = 0.95;

/** A server and the load on it. */
export type Target = { readonly pid: number; readonly load: LoadClient };

/** The medians of the rounds. */
export type CallCost = {
  /** CPU microseconds of the server process for each call. */
  readonly cpu: number;
  /** Calls per second. */
  readonly rate: number;
  /** The share of the time in which the server, and the client, had something to do. */
  readonly serverBusy: number;
  readonly clientBusy: number;
};

/** Measures the targets in turn, once they are warm. Errors: a call fails. */
export async function measureCalls<Name extends string>(
  targets: Readonly<Record<Name, Target>>,
): Promise<Readonly<Record<Name, CallCost>>> {
  const sides = mapValues(targets, (target) => () => round(target));
  return mapValues(await steadyRounds(ROUNDS, sides, ({ cpu }) => 1 / cpu), medianCost);
}

async function round({ pid, load }: Target): Promise<CallCost> {
  await load.open();
  const before = processTimes(pid);
  const { calls, seconds, cpuSeconds } = await load.run(ROUND_MS);
  const after = processTimes(pid);
  return {
    cpu: ((after.cpu - before.cpu) * 1e6) / calls,
    rate: calls / seconds,
    serverBusy: (after.busy - before.busy) / seconds,
    clientBusy: cpuSeconds / seconds,
  };
}

function medianCost(costs: readonly CallCost[]): CallCost {
  const of = (field: keyof CallCost) => median(costs.map((cost) => cost[field]));
  return { cpu: of('cpu'), rate: of('rate'), serverBusy: of('serverBusy'), clientBusy: of('clientBusy') };
}

/** The metrics of one server; marked where the client did not keep it busy. */
export function costMetrics(name: string, cost: CallCost): readonly Metric[] {
  const goal = '';
  const note = cost.serverBusy < SATURATED ? { note: 'not saturated' } : {};
  return [
    { name: `${name}-cpu`, value: cost.cpu, unit: 'µs CPU/call', goal, ...note },
    { name: `${name}-rate`, value: cost.rate, unit: 'calls/s', goal, ...note },
    { name: `${name}-busy`, value: cost.serverBusy, unit: 'of the time', goal, ...note },
    { name: `${name}-client-busy`, value: cost.clientBusy, unit: 'of the time', goal },
  ];
}

/** The CPU time of `whole` for that of `part`; marked where one of them was not saturated. */
export function ratio(name: string, whole: CallCost, part: CallCost, goal: string): Metric {
  const isSaturated = Math.min(whole.serverBusy, part.serverBusy) >= SATURATED;
  return {
    name,
    value: whole.cpu / part.cpu,
    unit: 'ratio',
    goal,
    ...(isSaturated ? {} : { note: 'not saturated' }),
  };
}
