// Holds migrations: a rerun does nothing, concurrent migrators queue, and no time limit of ordinary statements ends them.

import { afterAll, describe, expect, it } from 'vitest';

import { openDatabase, type Database } from '../../src/storage/postgres/connection.ts';
import { BUILT_IN_ROLES } from '../../src/domain/access/role.ts';
import { storesOver } from '../support/databases.ts';
import { sampleSession, sampleUser } from '../support/samples.ts';
import { eventually } from '../support/eventually.ts';
import { withClient } from '../support/private-postgres.ts';
import { createTestDatabase, describeWithPostgres } from '../support/services.ts';
import { anyString, containingAll } from '../support/matchers.ts';

describe('migrations on PGlite', () => {
  it('run once', async () => {
    const database = await openDatabase({ dataDir: 'memory://' });
    const pending = await database.pendingMigrations();
    expect(pending.length).toBeGreaterThan(0);
    expect(await database.migrate()).toEqual(pending);
    expect(await database.pendingMigrations()).toEqual([]);
    expect(await database.migrate()).toEqual([]);
    await database.close();
  });
});

describeWithPostgres('migrations on Postgres', () => {
  const opened: Database[] = [];
  afterAll(() => Promise.all(opened.map((database) => database.close())));
  const openAt = async (url: string, poolSize = 4, statementTimeoutMs = 10_000) => {
    const database = await openDatabase({ url, poolSize, statementTimeoutMs });
    opened.push(database);
    return database;
  };

  it('leave prepared statements working when they add a column', async () => {
    const { url } = await createTestDatabase();
    const database = await openAt(url);
    await database.migrate();
    const { stores } = storesOver(database);
    const user = sampleUser();
    await stores.users.insert(user);
    const session = sampleSession(user.id);
    await stores.sessions.insert(session);
    const look = () => stores.sessions.findWithUser(session.id);
    const before = await look();
    await withClient(url, (client) =>
      client.query('alter table sessions add column next integer; alter table users add column next integer'),
    );
    expect(before?.session.id).toBe(session.id);
    for (let attempt = 0; attempt < 5; attempt += 1) expect(await look()).toEqual(before);
  });

  it('run once, and leave the built-in roles', async () => {
    const database = await openAt((await createTestDatabase()).url);
    const pending = await database.pendingMigrations();
    expect(await database.migrate()).toEqual(pending);
    expect(await database.pendingMigrations()).toEqual([]);
    expect(await database.migrate()).toEqual([]);
    const roles = await storesOver(database).stores.roles.list();
    expect(roles.map(({ name }) => name).toSorted()).toEqual(
      BUILT_IN_ROLES.map(({ name }) => name).toSorted(),
    );
  });

  it('queue when four run at once on an empty database', async () => {
    const { url } = await createTestDatabase();
    const databases = await Promise.all([1, 2, 3, 4].map(() => openAt(url)));
    const pending = (await databases[0]?.pendingMigrations()) ?? [];
    const ran = await Promise.all(databases.map((database) => database.migrate()));
    expect(ran.filter((names) => names.length > 0)).toEqual([pending]);
    for (const database of databases) expect(await database.pendingMigrations()).toEqual([]);
  });

  it('need no more than one connection of the pool', async () => {
    const database = await openAt((await createTestDatabase()).url, 1, 2_000);
    expect(await database.migrate()).not.toEqual([]);
  });

  it('wait for another migrator for longer than a statement may take', async () => {
    const { url } = await createTestDatabase();
    const database = await openAt(url, 4, 300);
    await withClient(url, async (client) => {
      // The lock that a migrator of another node holds.
      await client.query('select pg_advisory_lock($1)', [0x1a7c_4e11]);
      const migrating = database.migrate().then(
        (names) => ({ names }),
        (error: unknown) => ({ error }),
      );
      await eventually(async () => {
        const { rowCount } = await client.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event = 'advisory'
           and now() - query_start > interval '600 milliseconds'`,
        );
        return rowCount === 1;
      });
      await client.query('select pg_advisory_unlock($1)', [0x1a7c_4e11]);
      expect(await migrating).toEqual({ names: containingAll([anyString]) });
    });
    const { rows } = await withClient(url, (client) =>
      client.query('select 1 from pg_locks where locktype = $1 and granted', ['advisory']),
    );
    expect(rows).toEqual([]);
  });
});
