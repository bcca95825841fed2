// Holds migrations: a rerun does nothing, concurrent migrators queue, and no time limit of ordinary statements ends them.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { sql } from 'kysely';
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

describe('a data directory of PGlite', () => {
  it('that was made without the extension for searches opens, and gets it', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'latchkey-data-'));
    const before = await PGlite.create({ dataDir });
    await before.exec('create table kept (value text); insert into kept values (1)');
    await before.close();
    for (let opening = 0; opening < 2; opening += 1) {
      const database = await openDatabase({ dataDir });
      await database.migrate();
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from kept, pg_extension where extname = 'pg_trgm'`.execute(
        database.tables,
      );
      expect(rows).toEqual([{ count: 1 }]);
      await database.close();
    }
    await rm(dataDir, { recursive: true });
  });
});

describeWithPostgres('migrations on Postgres', () => {
  const opened = new Set<Database>();
  afterAll(() => Promise.all([...opened].map((database) => database.close())));
  const openAt = async (url: string, poolSize = 4, statementTimeoutMs = 10_000) => {
    const database = await openDatabase({ url, poolSize, statementTimeoutMs });
    opened.add(database);
    return database;
  };
  const close = async (database: Database) => {
    opened.delete(database);
    await database.close();
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
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const now = await look();
      expect(now).toEqual({ ...before, readTime: now?.readTime });
    }
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

  it('say what is missing where the extension for searches cannot be made', async () => {
    const { name, url } = await createTestDatabase();
    const owner = `migrator_${name}`;
    await withClient(url, (client) =>
      client.query(`create role ${owner} login; grant all on schema public to ${owner}; set role ${owner}`),
    );
    const restricted = new URL(url);
    restricted.username = owner;
    const database = await openAt(restricted.href);
    await expect(database.migrate()).rejects.toThrow(
      /latchkey needs the extension pg_trgm.*Have a superuser run in this database: create extension pg_trgm/,
    );
    // In a schema of its own, as some hosts have it.
    await withClient(url, (client) =>
      client.query(
        'create schema extensions; create extension pg_trgm schema extensions; grant usage on schema extensions to public',
      ),
    );
    expect(await database.migrate()).not.toEqual([]);
    await close(database);
    await withClient(url, (client) => client.query(`drop owned by ${owner}; drop role ${owner}`));
  });

  it.each(['C', 'C.UTF-8'])(
    'find capitals beyond ASCII where the locale of the database is %s',
    async (locale) => {
      const { name, url } = await createTestDatabase();
      const own = `${name}_locale`;
      await withClient(url, (client) =>
        client.query(
          `create database "${own}" template template0 encoding 'UTF8' lc_collate 'C' lc_ctype '${locale}'`,
        ),
      );
      const database = await openAt(url.replace(name, own));
      await database.migrate();
      const { rows } = await sql<{ text: string }>`select directory_text('ÄRGER Жук@b.c') as text`.execute(
        database.tables,
      );
      expect(rows).toEqual([{ text: 'ärgerAжукCbBc' }]);
      await close(database);
      await withClient(url, (client) => client.query(`drop database "${own}"`));
    },
  );

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
