// Login against the bare argon2 hash, with the same parameters and as many at once.

import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { findPostgres, startPrivatePostgres } from '../support/private-postgres.ts';
import { GOOD_PASSWORD } from '../support/service.ts';
import { inParallel } from './load.ts';
import { startNodeUnderLoad } from './node-under-load.ts';
import type { Metric } from './report.ts';
import { median } from './report.ts';

const LOGINS = 24;
const CONCURRENCY = 4;
const ROUNDS = 7;
// What the service defaults to.
const ARGON2 = { ARGON2_MEMORY_KIB: '65536', ARGON2_PASSES: '3', ARGON2_LANES: '4' };

export async function benchLogin(): Promise<Metric[]> {
  const postgres = findPostgres() === undefined ? undefined : await startPrivatePostgres();
  const node = await startNodeUnderLoad(
    postgres === undefined ? ARGON2 : { ...ARGON2, DATABASE_URL: postgres.url },
  );
  try {
    const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${node.grpc}` }));
    await auth.register({ email: 'bench@example.com', password: GOOD_PASSWORD, fullName: 'Bench' });
    const login = async () =>
      void (await auth.login({ identifier: 'bench@example.com', password: GOOD_PASSWORD }));
    const ours: number[] = [];
    const bare: number[] = [];
    for (let round = -1; round < ROUNDS; round += 1) {
      const loginSeconds = await inParallel(LOGINS, CONCURRENCY, login);
      const hashSeconds = await node.ask({ ask: 'hash', total: LOGINS, concurrency: CONCURRENCY });
      if (round < 0) continue;
      ours.push(LOGINS / loginSeconds);
      bare.push(LOGINS / hashSeconds);
    }
    return [
      { name: 'login-vs-argon2', value: median(ours) / median(bare), unit: 'ratio', goal: '≥ 0.90' },
      { name: 'login-rate', value: median(ours), unit: 'logins/s', goal: '' },
      { name: 'argon2-rate', value: median(bare), unit: 'hashes/s', goal: '' },
    ];
  } finally {
    node.stop();
    await postgres?.stop();
  }
}
