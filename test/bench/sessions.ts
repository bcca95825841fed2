// Whether a person with a thousand sessions logs in, refreshes and logs out everywhere as fast as one with a single session.

import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import { bearer, GOOD_PASSWORD } from '../support/service.ts';
import { startNodeUnderLoad } from './node-under-load.ts';
import type { Metric } from './report.ts';
import { median } from './report.ts';

const SESSIONS = 1_000;
const ROUNDS = 300;
const LOGOUT_ROUNDS = 15;

export async function benchSessions(): Promise<Metric[]> {
  const postgres = await startPrivatePostgres({ durable: true });
  const node = await startNodeUnderLoad({ DATABASE_URL: postgres.url });
  try {
    const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${node.grpc}` }));
    const register = async (name: string) => {
      const email = `${name}@example.com`;
      await auth.register({ email, password: GOOD_PASSWORD, fullName: 'Bench' });
      return email;
    };
    const login = async (identifier: string) => {
      const { outcome } = await auth.login({ identifier, password: GOOD_PASSWORD });
      if (outcome.case !== 'tokens') throw new Error('login gave no tokens');
      return outcome.value;
    };
    const open = async (identifier: string, count: number) => {
      for (let session = 0; session < count; session += 1) await login(identifier);
    };
    const many = await register('many');
    await open(many, SESSIONS);
    // A single session each time: everybody logs in once.
    const fresh = await Promise.all(Array.from({ length: ROUNDS }, (_, index) => register(`fresh${index}`)));

    const times = {
      loginOne: [] as number[],
      loginMany: [] as number[],
      refreshOne: [] as number[],
      refreshMany: [] as number[],
    };
    for (const [round, one] of fresh.entries()) {
      const first = await timed(() => login(one));
      const another = await timed(() => login(many));
      const refreshedFirst = await timed(() =>
        auth.refreshToken({ refreshToken: first.result.refreshToken }),
      );
      const refreshedOther = await timed(() =>
        auth.refreshToken({ refreshToken: another.result.refreshToken }),
      );
      if (round < ROUNDS / 10) continue;
      times.loginOne.push(first.ms);
      times.loginMany.push(another.ms);
      times.refreshOne.push(refreshedFirst.ms);
      times.refreshMany.push(refreshedOther.ms);
    }
    const logout = async (identifier: string, count: number) => {
      await open(identifier, count - 1);
      const { accessToken } = await login(identifier);
      return (await timed(() => auth.logoutAll({}, bearer(accessToken)))).ms;
    };
    const logoutOne: number[] = [];
    const logoutMany: number[] = [];
    for (let round = 0; round < LOGOUT_ROUNDS; round += 1) {
      logoutMany.push(await logout(many, SESSIONS));
      logoutOne.push(await logout(fresh[round] ?? '', 1));
    }
    const logins = median(times.loginMany) / median(times.loginOne);
    const refreshes = median(times.refreshMany) / median(times.refreshOne);
    const logouts = median(logoutMany) / median(logoutOne);
    return [
      { name: 'sessions-1000', value: Math.max(logins, refreshes), unit: 'ratio', goal: '≤ 1.2' },
      { name: 'sessions-1000-login', value: logins, unit: 'ratio', goal: '' },
      { name: 'sessions-1000-refresh', value: refreshes, unit: 'ratio', goal: '' },
      { name: 'sessions-1000-logout-all', value: logouts, unit: 'ratio', goal: '≤ 1.2' },
    ];
  } finally {
    node.stop();
    await postgres.stop();
  }
}

async function timed<Result>(work: () => Promise<Result>): Promise<{ result: Result; ms: number }> {
  const start = performance.now();
  const result = await work();
  return { result, ms: performance.now() - start };
}
