// Whether a login grows with the number of accounts: what it takes beside the hash, among a thousand and among a million.

import { hashOf, insertAccounts, withDatabase } from './accounts.ts';
import { withNode } from './node-under-load.ts';
import { logIn, register } from './people.ts';
import type { Metric } from './report.ts';
import { median } from './report.ts';

const FEW = 1_000;
const MANY = 1_000_000;
const LOGINS = 1_500;
const WARM_UP = 500;

export function benchScale(): Promise<Metric[]> {
  // The cheapest hash that the service takes: what is left beside it is what may grow.
  return withNode({}, async (node, databaseUrl) => {
    await register(node.auth, 'model@example.com');
    const grow = (prefix: string, count: number) =>
      withDatabase(databaseUrl, async (client) => {
        const passwordHash = await hashOf(client, 'model@example.com');
        await insertAccounts(client, { prefix, count, passwordHash });
        await client.query('vacuum analyze');
        await client.query('checkpoint');
      });
    const hash = async () => ((await node.ask({ ask: 'hash', total: 200, concurrency: 1 })) / 200) * 1_000;
    const overhead = async (prefix: string, count: number) => {
      const times: number[] = [];
      for (let login = 0; login < LOGINS + WARM_UP; login += 1) {
        const identifier = `${prefix}${1 + Math.floor(Math.random() * count)}@example.com`;
        const start = performance.now();
        await logIn(node.auth, identifier);
        if (login >= WARM_UP) times.push(performance.now() - start);
      }
      return median(times) - (await hash());
    };
    await grow('few', FEW);
    const few = await overhead('few', FEW);
    await grow('many', MANY - FEW);
    const many = await overhead('many', MANY - FEW);
    return [
      { name: 'login-overhead-1e6', value: many / few, unit: 'ratio', goal: '≤ 1.2' },
      { name: 'login-overhead-at-1e3', value: few, unit: 'ms', goal: '' },
      { name: 'login-overhead-at-1e6', value: many, unit: 'ms', goal: '' },
    ];
  });
}
