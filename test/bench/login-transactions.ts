// Everything of a login but the hash against the same statements issued bare through `pg`, prepared, on the same durable Postgres.

import { startPrivatePostgres } from '../support/private-postgres.ts';
import { startNodeUnderLoad } from './node-under-load.ts';
import type { Metric } from './report.ts';
import { median } from './report.ts';

const LOGINS = 500;
const CONCURRENCY = 32;
const ROUNDS = 20;
const WARM_UP_ROUNDS = 3;

export async function benchLoginTransactions(): Promise<Metric[]> {
  const postgres = await startPrivatePostgres({ durable: true });
  const node = await startNodeUnderLoad({ DATABASE_URL: postgres.url });
  try {
    const rate = async (isBare: boolean) =>
      LOGINS / (await node.ask({ ask: 'logins', total: LOGINS, concurrency: CONCURRENCY, isBare }));
    const ours: number[] = [];
    const bare: number[] = [];
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      const oursNow = await rate(false);
      const bareNow = await rate(true);
      if (round < 0) continue;
      ours.push(oursNow);
      bare.push(bareNow);
    }
    return [
      { name: 'login-transactions', value: median(ours) / median(bare), unit: 'ratio', goal: '≥ 0.80' },
      { name: 'login-transactions-rate', value: median(ours), unit: 'logins/s', goal: '' },
      { name: 'login-statements-rate', value: median(bare), unit: 'logins/s', goal: '' },
    ];
  } finally {
    node.stop();
    await postgres.stop();
  }
}
