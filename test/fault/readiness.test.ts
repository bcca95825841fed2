// Readiness reports a Redis and a Postgres that answer but do not work.

import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readConfig } from '../../src/config.ts';
import { eventually, eventuallyPasses } from '../support/eventually.ts';
import type { PrivatePostgres } from '../support/private-postgres.ts';
import { startPrivatePostgres, withClient } from '../support/private-postgres.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { startPrivateRedis, withRedis } from '../support/private-redis.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import { healthOf } from './health-client.ts';
import type { Variables } from './nodes.ts';
import { afterSuite, gatewayOf, newMasterKey, nodeStarter, openSession } from './nodes.ts';

const Readiness = z.object({ status: z.string(), checks: z.record(z.string(), z.string()) });

async function readinessOf(node: TestService, part: string): Promise<string> {
  const response = await fetch(`${node.httpUrl}/readyz`);
  const { status, checks } = Readiness.parse(await response.json());
  return `${response.status} ${status} ${checks[part] ?? 'unnamed'}`;
}

describeWithServices('readiness', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let postgres: PrivatePostgres;
  let redis: PrivateRedis;
  let variables: Variables;
  let node: TestService;

  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPrivatePostgres(), startPrivateRedis()]);
    later(() => postgres.stop());
    later(() => redis.stop());
    variables = {
      DATABASE_URL: postgres.url,
      DATABASE_TIMEOUT: '1s',
      REDIS_URL: redis.url,
      REDIS_KEY_PREFIX: 'ready:',
      MASTER_KEY: newMasterKey(),
    };
    node = await startNode(variables);
  });

  const expectReadiness = (part: string, expected: string, at = node) =>
    eventuallyPasses(async () => expect(await readinessOf(at, part)).toBe(expected), { timeoutMs: 20_000 });

  const onRedis = (...commands: ReadonlyArray<readonly [string, ...string[]]>) =>
    withRedis(redis.url, async (client) => {
      for (const [command, ...args] of commands) await client.call(command, ...args);
    });

  const onPostgres = (...statements: readonly string[]) =>
    withClient(postgres.url, async (client) => {
      for (const statement of statements) await client.query(statement);
    });

  /** A good token stays good, and one that is revoked here does not. */
  async function expectValidation(): Promise<void> {
    const { tokens } = await eventually(() => openSession(node));
    const validate = () => node.auth().validateToken({ token: tokens.accessToken }, gatewayOf(node));
    expect((await validate()).active).toBe(true);
    await node.auth().logout({}, bearer(tokens.accessToken));
    expect((await validate()).active).toBe(false);
  }

  describe('of a node whose Redis answers', () => {
    afterEach(() => expectReadiness('redis', '200 ready up'));

    it('is degraded while it is read-only', async () => {
      await onRedis(['replicaof', '127.0.0.1', '1']);
      await expectReadiness('redis', '200 degraded read_only');
      await expectValidation();
      await onRedis(['replicaof', 'no', 'one']);
    });

    it('is degraded while it is out of memory', async () => {
      await onRedis(['config', 'set', 'maxmemory', '1']);
      await expectReadiness('redis', '200 degraded full');
      await expectValidation();
      await onRedis(['config', 'set', 'maxmemory', '0']);
    });

    it('is degraded while the key of the stream holds something else', async () => {
      await onRedis(['del', 'ready:revocations'], ['set', 'ready:revocations', 'text']);
      await expectReadiness('redis', '200 degraded wrong_type');
      await expectValidation();
      await onRedis(['del', 'ready:revocations']);
    });

    it('is degraded while our user may not write', async () => {
      await onRedis(['acl', 'setuser', 'default', '-xadd']);
      await expectReadiness('redis', '200 degraded forbidden');
      await onRedis(['acl', 'setuser', 'default', '+xadd']);
    });
  });

  describe('of a node whose Postgres answers', () => {
    afterEach(() => expectReadiness('database', '200 ready up'));

    it('is degraded while it is read-only, and validation goes on', async () => {
      const { tokens } = await openSession(node);
      await onPostgres('alter system set default_transaction_read_only = on', 'select pg_reload_conf()');
      await expectReadiness('database', '200 degraded read_only');
      expect((await node.auth().validateToken({ token: tokens.accessToken }, gatewayOf(node))).active).toBe(
        true,
      );
      await onPostgres(
        'set default_transaction_read_only = off',
        'alter system reset default_transaction_read_only',
        'select pg_reload_conf()',
      );
    });

    it('is degraded while its disk is full', async () => {
      // What Postgres raises when it cannot extend a file.
      await onPostgres(
        `create function disk_full() returns trigger language plpgsql as $$ begin
           raise exception 'could not extend file' using errcode = 'disk_full'; end $$`,
        'create trigger disk_full before insert or update on instance_facts for each row execute function disk_full()',
      );
      await expectReadiness('database', '200 degraded full');
      expect(await healthOf(node)).toBe('SERVING');
      await onPostgres('drop trigger disk_full on instance_facts', 'drop function disk_full');
    });

    it('is unavailable while our tables are not there', async () => {
      await onPostgres('alter table instance_facts rename to instance_facts_away');
      await expectReadiness('database', '503 unavailable no_schema');
      await eventuallyPasses(async () => expect(await healthOf(node)).toBe('NOT_SERVING'));
      await onPostgres('alter table instance_facts_away rename to instance_facts');
    });
  });

  it('of a node without Redis and with every connection taken is degraded, and revocations still arrive', async () => {
    const { REDIS_URL: _unused, ...withoutRedis } = variables;
    const narrow = await startNode({ ...withoutRedis, DATABASE_POOL_SIZE: '1', DATABASE_TIMEOUT: '5m' });
    const { tokens } = await openSession(node);
    const validate = () => narrow.auth().validateToken({ token: tokens.accessToken }, gatewayOf(node));
    expect((await validate()).active).toBe(true);
    const release = Promise.withResolvers<void>();
    const taken = narrow.app.transact(async (stores) => {
      await stores.roles.list();
      await release.promise;
    });
    try {
      await expectReadiness('database', '200 degraded busy', narrow);
      await node.auth().logout({}, bearer(tokens.accessToken));
      await eventually(async () => !(await validate()).active);
      expect(await readinessOf(narrow, 'revocations')).toBe('200 degraded fresh');
    } finally {
      release.resolve();
      await taken;
    }
    await expectReadiness('database', '200 ready up', narrow);
  });

  it('flips the moment the node begins to stop, while calls are still served', async () => {
    const leaving = await startNode({ ...variables, SHUTDOWN_DELAY: '5s' });
    const { tokens } = await openSession(node);
    expect(await readinessOf(leaving, 'database')).toBe('200 ready up');
    const stopped = leaving.running.stop();
    expect(await readinessOf(leaving, 'node')).toBe('503 unavailable stopping');
    expect(await healthOf(leaving)).toBe('NOT_SERVING');
    const verdict = await leaving.auth().validateToken({ token: tokens.accessToken }, gatewayOf(node));
    expect(verdict.active).toBe(true);
    await stopped;
    await expect(fetch(`${leaving.httpUrl}/readyz`)).rejects.toThrow('fetch failed');
  });

  it.each([
    ['a Sentinel', { isSentinel: true }],
    ['a node of a Cluster', { settings: { 'cluster-enabled': 'yes' } }],
  ] as const)('is never reached with %s: the start is refused in one line', async (_name, options) => {
    const other = await startPrivateRedis(options);
    later(() => other.stop());
    await expect(startNode({ ...variables, REDIS_URL: other.url })).rejects.toThrow(
      /^LATCHKEY_REDIS_URL: [^\n]*(?:Sentinel|Cluster)[^\n]*not supported[^\n]*$/,
    );
  });

  it.each(['redis+sentinel://a:26379,b:26379/main', 'redis+cluster://a:6379,b:6379'])(
    'is never reached with the address %s',
    (url) => {
      const environment = { LATCHKEY_REDIS_URL: url, LATCHKEY_DATABASE_URL: postgres.url };
      expect(() => readConfig(environment)).toThrow(/LATCHKEY_REDIS_URL: .*Sentinel.*not supported/);
    },
  );
});
