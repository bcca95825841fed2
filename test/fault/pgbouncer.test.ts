// PgBouncer in transaction mode between a node and Postgres: the service works, keeps its limits, and leaves nothing behind in shared sessions.

import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { openDatabase } from '../../src/storage/postgres/connection.ts';
import { openTransactions } from '../../src/storage/postgres/stores.ts';
import type { PrivatePgBouncer } from '../support/private-pgbouncer.ts';
import { startPrivatePgBouncer } from '../support/private-pgbouncer.ts';
import { withClient } from '../support/private-postgres.ts';
import { bearer, signUp } from '../support/service.ts';
import { createTestDatabase, describeWithPgBouncer, postgresUrl } from '../support/services.ts';
import {
  afterSuite,
  gatewayOf,
  nodeStarter,
  openSession,
  sharedVariables,
  tally,
  tryRefresh,
} from './nodes.ts';

const TIMEOUT_MS = 500;
const SESSIONS = 60;

describeWithPgBouncer('PgBouncer in transaction mode', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let pooler: PrivatePgBouncer;

  beforeAll(async () => {
    pooler = await startPrivatePgBouncer(postgresUrl());
    later(() => pooler.stop());
  });

  /** Names of statements and locks that sessions of the pooler hold. */
  async function leftBehind(url: string) {
    return withClient(pooler.through(url), async (client) => {
      const statements = await client.query<{ name: string }>('select name from pg_prepared_statements');
      const locks = await client.query(
        "select 1 from pg_locks where locktype = 'advisory' and database is not null",
      );
      return { statements: statements.rows.map(({ name }) => name), locks: locks.rowCount };
    });
  }

  it('serves logins, refreshes, transactions and validation without prepared statements', async () => {
    const variables = await sharedVariables(later);
    const url = variables['DATABASE_URL'] ?? '';
    const node = await startNode({
      ...variables,
      DATABASE_URL: pooler.through(url),
      PREPARED_STATEMENTS: 'off',
    });
    expect(node.app.database.limitsBy).toBe('transaction');
    const tokens = await signUp(node, 'pooled');
    expect((await node.auth().validateToken({ token: tokens.accessToken }, gatewayOf(node))).active).toBe(
      true,
    );
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => openSession(node)));
    for (let round = 0; round < 3; round += 1) {
      const outcomes = await Promise.all(
        sessions.map(({ tokens: { refreshToken } }) => tryRefresh(node.auth(), refreshToken)),
      );
      expect(tally(outcomes.map(({ reason }) => reason))).toEqual({ ok: SESSIONS });
    }
    await node.auth().logout({}, bearer(tokens.accessToken));
    expect(await leftBehind(url)).toEqual({ statements: [], locks: 0 });
  });

  it('migrates two at once, and keeps no lock', async () => {
    const empty = await createTestDatabase();
    later(() => empty.drop());
    const location = {
      url: pooler.through(empty.url),
      poolSize: 4,
      statementTimeoutMs: 20_000,
      preparedStatements: false,
    };
    const databases = await Promise.all([openDatabase(location), openDatabase(location)]);
    const applied = await Promise.all(databases.map((database) => database.migrate()));
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
    expect(await databases[0]?.pendingMigrations()).toEqual([]);
    await Promise.all(databases.map((database) => database.close()));
    expect((await leftBehind(empty.url)).locks).toBe(0);
  });

  it.each([
    ['refuses the limits when a connection starts', {}],
    ['swallows them', { ignore_startup_parameters: 'statement_timeout,idle_in_transaction_session_timeout' }],
  ])('limits statements of transactions where it %s, and no others', async (_name, settings) => {
    const own = await startPrivatePgBouncer(postgresUrl(), { ...settings, default_pool_size: 1 });
    later(() => own.stop());
    const empty = await createTestDatabase();
    later(() => empty.drop());
    const database = await openDatabase({
      url: own.through(empty.url),
      poolSize: 2,
      statementTimeoutMs: TIMEOUT_MS,
      preparedStatements: false,
    });
    later(() => database.close());
    expect(database.limitsBy).toBe('transaction');
    const inTransaction = await database.tables
      .transaction()
      .execute((transaction) =>
        sql<{ limit: string }>`select current_setting('statement_timeout') as limit`.execute(transaction),
      );
    expect(inTransaction.rows[0]?.limit).toBe(`${TIMEOUT_MS}ms`);
    const stuck = openTransactions(database.tables)(async () => {
      await database.tables
        .transaction()
        .execute((transaction) => sql`select pg_sleep(30)`.execute(transaction));
    });
    await expect(stuck).rejects.toMatchObject({ reason: 'STORAGE_UNAVAILABLE' });
    // The session is another client's now, and has the server's own limit.
    const shared = await withClient(own.through(empty.url), (client) =>
      client.query('show statement_timeout'),
    );
    expect(shared.rows).toEqual([{ statement_timeout: '0' }]);
  });

  it('is not asked for by a direct connection, which takes the limits when it starts', async () => {
    const empty = await createTestDatabase();
    later(() => empty.drop());
    const database = await openDatabase({ url: empty.url, poolSize: 2, statementTimeoutMs: TIMEOUT_MS });
    later(() => database.close());
    expect(database.limitsBy).toBe('connection');
    const { rows } = await sql<{
      limit: string;
    }>`select current_setting('statement_timeout') as limit`.execute(database.tables);
    expect(rows[0]?.limit).toBe(`${TIMEOUT_MS}ms`);
  });
});
