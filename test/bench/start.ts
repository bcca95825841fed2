// How long the service takes to be ready, and how much memory it holds when it is idle: embedded the first time and again, and on Postgres and Redis.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase } from '../../src/storage/postgres/connection.ts';
import { findPostgres, startPrivatePostgres } from '../support/private-postgres.ts';
import { findRedis, startPrivateRedis } from '../support/private-redis.ts';
import type { Metric } from './report.ts';
import { median } from './report.ts';
import { startAsUsersDo } from './started-service.ts';

const RESTARTS = 5;
const IDLE_MS = 10_000;

type Variables = Readonly<Record<string, string>>;
type Start = { readonly seconds: number; readonly rssMb: number };

export async function benchStart(): Promise<Metric[]> {
  return [...(await embedded()), ...(await onServers())];
}

async function embedded(): Promise<Metric[]> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'));
  try {
    const inFolder = (name: string) => ({ DATA_DIR: join(folder, name) });
    // What compiles the code is not the first start of a data directory, but the first of an installation.
    await startOnce(inFolder('compiled'), 0);
    const first = await startOnce(inFolder('data'));
    const again = await startAgain(inFolder('data'));
    return [
      { name: 'start-first', value: first.seconds, unit: 's', goal: '≤ 3.5' },
      { name: 'start-embedded', value: again.seconds, unit: 's', goal: '≤ 1.2' },
      { name: 'idle-rss-first', value: first.rssMb, unit: 'MiB', goal: '≤ 280' },
      { name: 'idle-rss-embedded', value: again.rssMb, unit: 'MiB', goal: '≤ 280' },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function onServers(): Promise<Metric[]> {
  if (findPostgres() === undefined || findRedis() === undefined) return [];
  const [postgres, redis] = await Promise.all([startPrivatePostgres(), startPrivateRedis()]);
  try {
    await migrate(postgres.url);
    const masterKey = randomBytes(32).toString('base64');
    const { seconds, rssMb } = await startAgain({
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      MASTER_KEY: masterKey,
    });
    return [
      { name: 'start-servers', value: seconds, unit: 's', goal: '≤ 0.6' },
      { name: 'idle-rss-servers', value: rssMb, unit: 'MiB', goal: '≤ 130' },
    ];
  } finally {
    await Promise.all([postgres.stop(), redis.stop()]);
  }
}

/** Brings the schema of an empty database up to date. */
export async function migrate(url: string): Promise<void> {
  const database = await openDatabase({ url, poolSize: 2, statementTimeoutMs: 60_000 });
  await database.migrate();
  await database.close();
}

async function startAgain(variables: Variables): Promise<Start> {
  const starts: Start[] = [];
  for (let restart = 0; restart < RESTARTS; restart += 1) starts.push(await startOnce(variables));
  return {
    seconds: median(starts.map(({ seconds }) => seconds)),
    rssMb: median(starts.map(({ rssMb }) => rssMb)),
  };
}

async function startOnce(variables: Variables, idleMs = IDLE_MS): Promise<Start> {
  const service = await startAsUsersDo(variables);
  await delay(idleMs);
  const rssMb = await service.residentMb();
  await service.stop();
  return { seconds: service.seconds, rssMb };
}
