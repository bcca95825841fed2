// Runs once before all test files: brings up Postgres and Redis, or takes the ones named in the environment, and cleans up after.
import { randomBytes } from 'node:crypto';
import type { TestProject } from 'vitest/node';

import { findPostgres, startPrivatePostgres, withClient } from './private-postgres.ts';
import { findPgBouncer } from './private-pgbouncer.ts';
import { findRedis, startPrivateRedis, withRedis } from './private-redis.ts';
import type { TestServices } from './services.ts';

type Cleanup = () => Promise<void>;

/** Provides the addresses to the test files and returns what undoes it. */
export default async function setup(project: TestProject): Promise<Cleanup> {
  const runId = randomBytes(4).toString('hex');
  const cleanups: Cleanup[] = [];
  const cleanup = async (): Promise<void> => {
    for (const undo of cleanups.toReversed()) await undo();
  };
  try {
    const [postgresUrl, redisUrl] = await Promise.all([
      bringPostgres(runId, cleanups),
      bringRedis(runId, cleanups),
    ]);
    const services: TestServices = { runId, postgresUrl, redisUrl };
    const missing = [
      postgresUrl === null ? 'postgres' : '',
      redisUrl === null ? 'redis' : '',
      findPgBouncer() === undefined ? 'pgbouncer' : '',
    ].filter(Boolean);
    if (missing.length > 0 && process.env['LATCHKEY_TEST_REQUIRE_SERVICES'] === '1') {
      throw new Error(`LATCHKEY_TEST_REQUIRE_SERVICES=1, but not found: ${missing.join(', ')}`);
    }
    project.provide('latchkeyServices', services);
    return cleanup;
  } catch (error) {
    await cleanup();
    throw error;
  }
}

async function bringPostgres(runId: string, cleanups: Cleanup[]): Promise<string | null> {
  const given = process.env['LATCHKEY_TEST_POSTGRES_URL'];
  if (given !== undefined && given !== '') {
    // A shared server: only databases that carry this run's own prefix are ever dropped.
    cleanups.push(() => dropDatabases(given, `latchkey_${runId}_`));
    await withClient(given, (client) => client.query('SELECT 1'));
    return given;
  }
  if (findPostgres() === undefined) return null;
  const postgres = await startPrivatePostgres();
  cleanups.push(postgres.stop);
  return postgres.adminUrl;
}

async function bringRedis(runId: string, cleanups: Cleanup[]): Promise<string | null> {
  const given = process.env['LATCHKEY_TEST_REDIS_URL'];
  if (given !== undefined && given !== '') {
    cleanups.push(() => deleteKeys(given, `latchkey:${runId}:*`));
    await withRedis(given, (redis) => redis.ping());
    return given;
  }
  if (findRedis() === undefined) return null;
  const redis = await startPrivateRedis();
  cleanups.push(redis.stop);
  return redis.url;
}

async function dropDatabases(url: string, prefix: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
      [prefix],
    );
    for (const { datname } of rows) await client.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
  });
}

async function deleteKeys(url: string, pattern: string): Promise<void> {
  await withRedis(url, async (redis) => {
    for await (const keys of redis.scanStream({ match: pattern, count: 500 }) as AsyncIterable<string[]>) {
      if (keys.length > 0) await redis.unlink(...keys);
    }
  });
}
