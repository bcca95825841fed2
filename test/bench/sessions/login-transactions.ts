// Everything of a login but the hash against the same statements issued bare through `pg`, prepared, on the same durable Postgres.

import { withNode } from '../node-under-load.ts';
import type { Metric } from '../report.ts';
import { steadyRates } from '../steady.ts';

const LOGINS = 2_000;
const CONCURRENCY = 32;
const ROUNDS = 15;

export function benchLoginTransactions(): Promise<Metric[]> {
  return withNode({}, async (node) => {
    const rate = async (isBare: boolean) =>
      LOGINS / (await node.ask({ ask: 'logins', total: LOGINS, concurrency: CONCURRENCY, isBare }));
    const { ours, bare } = await steadyRates(ROUNDS, { ours: () => rate(false), bare: () => rate(true) });
    return [
      { name: 'login-transactions', value: ours / bare, unit: 'ratio', goal: '≥ 0.80' },
      { name: 'login-transactions-rate', value: ours, unit: 'logins/s', goal: '' },
      { name: 'login-statements-rate', value: bare, unit: 'logins/s', goal: '' },
    ];
  });
}
