// Proves that the private Postgres and Redis start, restart, freeze, go on and leave nothing behind.
import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { eventually } from './eventually.ts';
import { startPrivatePostgres, withClient, type PrivatePostgres } from './private-postgres.ts';
import { startPrivateRedis, withRedis, type PrivateRedis } from './private-redis.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  describeWithRedis,
  redisKeyPrefix,
  redisUrl,
  templateDatabase,
} from './services.ts';

describeWithPostgres('private Postgres', () => {
  let postgres: PrivatePostgres;
  beforeAll(async () => {
    postgres = await startPrivatePostgres();
  });
  afterAll(() => postgres.stop());

  it('keeps its data over a crash and comes back on the same port', async () => {
    await withClient(postgres.url, (client) => client.query('CREATE TABLE kept AS SELECT 42 AS answer'));
    await postgres.restart('immediate');
    const { rows } = await withClient(postgres.url, (client) => client.query('SELECT answer FROM kept'));
    expect(rows).toEqual([{ answer: 42 }]);
  });

  it('refuses connections while it is down', async () => {
    await postgres.stopServer();
    await expect(withClient(postgres.url, (client) => client.query('SELECT 1'))).rejects.toThrow(
      'ECONNREFUSED',
    );
    await postgres.startServer();
    await withClient(postgres.url, (client) => client.query('SELECT 1'));
  });

  it('freezes open sessions and lets them go on', async () => {
    const client = new Client({ connectionString: postgres.url });
    await client.connect();
    postgres.pause();
    let answered = false;
    const answer = client.query('SELECT 1 AS one').finally(() => (answered = true));
    const connecting = new Client({ connectionString: postgres.url, connectionTimeoutMillis: 300 });
    await expect(connecting.connect()).rejects.toThrow(/timeout/);
    expect(answered).toBe(false);
    postgres.resume();
    expect((await answer).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  it('runs on neither a standard port nor with a standard database, with up to 200 connections', async () => {
    const { rows } = await withClient(postgres.url, (client) => client.query('SHOW max_connections'));
    expect(rows).toEqual([{ max_connections: '200' }]);
    expect(postgres.port).not.toBe(5432);
    expect(new URL(postgres.url).pathname).toMatch(/^\/latchkey_[0-9a-f]{12}$/);
  });
});

describeWithPostgres('test databases', () => {
  it('clones a template that is prepared once', async () => {
    let prepared = 0;
    const prepare = async (url: string): Promise<void> => {
      prepared += 1;
      await withClient(url, (client) => client.query('CREATE TABLE seed AS SELECT 7 AS n'));
    };
    const [template] = await Promise.all([
      templateDatabase('proof', prepare),
      templateDatabase('proof', prepare),
    ]);
    expect(prepared).toBe(1);
    const copies = await Promise.all([createTestDatabase({ template }), createTestDatabase({ template })]);
    for (const copy of copies) {
      const { rows } = await withClient(copy.url, (client) => client.query('SELECT n FROM seed'));
      expect(rows).toEqual([{ n: 7 }]);
      await copy.drop();
    }
  });
});

describeWithRedis('private Redis', () => {
  let redis: PrivateRedis;
  beforeAll(async () => {
    redis = await startPrivateRedis();
  });
  afterAll(() => redis.stop());

  it('comes back empty on the same port', async () => {
    await withRedis(redis.url, (client) => client.set('kept', '1'));
    await redis.restart();
    expect(await withRedis(redis.url, (client) => client.get('kept'))).toBeNull();
  });

  it('freezes and goes on', async () => {
    const client = new Redis(redis.url, { retryStrategy: () => null });
    await client.set('n', '1');
    redis.pause();
    let answered = false;
    const answer = client.get('n').finally(() => (answered = true));
    const impatient = new Redis(redis.url, {
      lazyConnect: true,
      retryStrategy: () => null,
      commandTimeout: 300,
    });
    impatient.on('error', () => undefined);
    await expect(impatient.get('n')).rejects.toThrow(/timed out/i);
    expect(answered).toBe(false);
    redis.resume();
    expect(await answer).toBe('1');
    client.disconnect();
    impatient.disconnect();
  });

  it('leaves neither a process nor a folder behind', async () => {
    const other = await startPrivateRedis();
    const folder = await withRedis(other.url, async (client) =>
      String((await client.config('GET', 'dir')).at(1)),
    );
    expect(existsSync(folder)).toBe(true);
    await other.stop();
    expect(existsSync(folder)).toBe(false);
    await expect(withRedis(other.url, (client) => client.ping())).rejects.toThrow(/closed/);
  });

  it('gives every test file one key prefix', async () => {
    expect(redisKeyPrefix()).toBe(redisKeyPrefix());
    await withRedis(redisUrl(), (client) => client.set(`${redisKeyPrefix()}n`, '1', 'EX', 60));
    await eventually(() => withRedis(redisUrl(), (client) => client.get(`${redisKeyPrefix()}n`)));
  });
});
