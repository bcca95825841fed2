// Login against the bare argon2 hash, with the same parameters and as many at once.

import { inParallel } from '../load.ts';
import { withNode } from '../node-under-load.ts';
import { logIn, register } from '../people.ts';
import type { Metric } from '../report.ts';
import { steadyRates } from '../steady.ts';

const LOGINS = 24;
const CONCURRENCY = 4;
const ROUNDS = 7;
// What the service defaults to.
const ARGON2 = { ARGON2_MEMORY_KIB: '65536', ARGON2_PASSES: '3', ARGON2_LANES: '4' };

export function benchLogin(): Promise<Metric[]> {
  return withNode({ variables: ARGON2 }, async (node) => {
    await register(node.auth, 'bench@example.com');
    const login = async () => void (await logIn(node.auth, 'bench@example.com'));
    const { ours, bare } = await steadyRates(ROUNDS, {
      ours: async () => LOGINS / (await inParallel(LOGINS, CONCURRENCY, login)),
      bare: async () => LOGINS / (await node.ask({ ask: 'hash', total: LOGINS, concurrency: CONCURRENCY })),
    });
    return [
      { name: 'login-vs-argon2', value: ours / bare, unit: 'ratio', goal: '≥ 0.90' },
      { name: 'login-rate', value: ours, unit: 'logins/s', goal: '' },
      { name: 'argon2-rate', value: bare, unit: 'hashes/s', goal: '' },
    ];
  });
}
