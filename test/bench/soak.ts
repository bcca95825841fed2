// What the service holds after minutes of mixed life: people who register, log in, refresh, are validated and log out, on Postgres and Redis.

import { randomBytes } from 'node:crypto';
import { setInterval as every } from 'node:timers/promises';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import { startPrivateRedis } from '../support/private-redis.ts';
import { bearer, GOOD_PASSWORD } from '../support/service.ts';
import type { Metric } from './report.ts';
import { median } from './report.ts';
import { migrate } from './start.ts';
import type { StartedService } from './started-service.ts';
import { startAsUsersDo } from './started-service.ts';

const MINUTES = 8;
const AT_ONCE = 16;
const REFRESHES = 3;
const VALIDATIONS = 20;
const SAMPLE_MS = 1_000;
const MINUTE_MS = 60_000;

export async function benchSoak(): Promise<Metric[]> {
  const [postgres, redis] = await Promise.all([startPrivatePostgres(), startPrivateRedis()]);
  try {
    await migrate(postgres.url);
    const service = await startAsUsersDo({
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      MASTER_KEY: randomBytes(32).toString('base64'),
      // All the calls come from one address.
      RATE_LIMITS: 'off',
      ANONYMOUS_VALIDATION: 'true',
      BREACH_CHECK_URL: 'off',
    });
    const end = performance.now() + MINUTES * MINUTE_MS;
    const samples = sampleUntil(service, end);
    const lives = await Promise.all(Array.from({ length: AT_ONCE }, () => liveUntil(service.grpc, end)));
    const resident = await samples;
    await service.stop();
    const minute = (nth: number) => resident.filter((_, index) => Math.floor(index / 60) === nth);
    const [second, last] = [minute(1), minute(MINUTES - 1)];
    return [
      { name: 'soak-rss', value: Math.max(...resident), unit: 'MiB (most)', goal: '≤ 260' },
      { name: 'soak-rss-last-minute', value: median(last), unit: 'MiB (median)', goal: '' },
      {
        name: 'soak-growth',
        value: median(last) - median(second),
        unit: 'MiB since the 2nd minute',
        goal: '',
      },
      { name: 'soak-lives', value: lives.reduce((sum, count) => sum + count, 0), unit: 'people', goal: '' },
    ];
  } finally {
    await Promise.all([postgres.stop(), redis.stop()]);
  }
}

async function sampleUntil(service: StartedService, end: number): Promise<number[]> {
  const samples: number[] = [];
  for await (const _ of every(SAMPLE_MS)) {
    samples.push(await service.residentMb());
    if (performance.now() >= end) break;
  }
  return samples;
}

/** One life after the other; resolves to how many. */
async function liveUntil(grpc: string, end: number): Promise<number> {
  const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${grpc}` }));
  let lives = 0;
  while (performance.now() < end) {
    // A machine that is busy otherwise lets calls end by their deadline: that life is over, and does not count.
    const isWhole = await live(auth).then(
      () => true,
      () => false,
    );
    if (isWhole) lives += 1;
  }
  return lives;
}

async function live(auth: ReturnType<typeof createClient<typeof AuthService>>): Promise<void> {
  const email = `${randomBytes(8).toString('hex')}@example.com`;
  await auth.register({ email, password: GOOD_PASSWORD, fullName: 'Bench' });
  const { outcome } = await auth.login({ identifier: email, password: GOOD_PASSWORD });
  if (outcome.case !== 'tokens') throw new Error('the login gave no tokens');
  let tokens = outcome.value;
  for (let nth = 0; nth < REFRESHES; nth += 1) {
    const refreshed = await auth.refreshToken({ refreshToken: tokens.refreshToken });
    if (refreshed.tokens === undefined) throw new Error('the refresh gave no tokens');
    tokens = refreshed.tokens;
    for (let times = 0; times < VALIDATIONS; times += 1)
      await auth.validateToken({ token: tokens.accessToken });
  }
  await auth.logout({}, bearer(tokens.accessToken));
}
