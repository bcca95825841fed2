// Runs the migrations, by MikroORM. Imported only where something has to be migrated: a service whose schema is up to date never loads the ORM.

import type { PGlite } from '@electric-sql/pglite';
import { Migrator } from '@mikro-orm/migrations';
import type { Migration } from '@mikro-orm/migrations';
import { MikroORM as PgliteOrm } from '@mikro-orm/pglite';
import { MikroORM as PostgresOrm } from '@mikro-orm/postgresql';
import type { Constructor } from '@mikro-orm/core';
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Tables } from '../rows.ts';
import { ROWS } from '../rows.ts';
import { noteServing } from '../schema-state.ts';
import { AccountSchema } from './account-schema.ts';
import { AuditReadingSchema } from './audit-reading-schema.ts';
import { AuditSchema } from './audit-schema.ts';
import { DirectorySchema } from './directory-schema.ts';
import { InitialSchema } from './initial-schema.ts';
import { KeyLineageSchema } from './key-lineage-schema.ts';
import { KeySchema } from './key-schema.ts';
import type { MigrationName } from './migration-names.ts';
import { MIGRATION_NAMES } from './migration-names.ts';
import { RecoverySchema } from './recovery-schema.ts';
import { StatsSchema } from './stats-schema.ts';
import { TokenLifetimeSchema } from './token-lifetime-schema.ts';

const MIGRATIONS: Readonly<Record<MigrationName, Constructor<Migration>>> = {
  '2026-11-initial-schema': InitialSchema,
  '2026-11-account-schema': AccountSchema,
  '2026-11-directory-schema': DirectorySchema,
  '2026-11-audit-schema': AuditSchema,
  '2026-11-audit-reading-schema': AuditReadingSchema,
  '2026-11-stats-schema': StatsSchema,
  '2026-11-key-schema': KeySchema,
  '2026-11-recovery-schema': RecoverySchema,
  '2026-11-token-lifetime-schema': TokenLifetimeSchema,
  '2026-11-key-lineage-schema': KeyLineageSchema,
};

const ORM_OPTIONS = {
  entities: [...ROWS],
  extensions: [Migrator],
  migrations: {
    migrationsList: MIGRATION_NAMES.map((name) => ({ name, class: MIGRATIONS[name] })),
    snapshot: false,
    silent: true,
    tableName: 'schema_migrations',
  },
  discovery: { warnWhenNoEntities: false },
  logger: () => undefined,
};

/** The name under which migrators queue. */
const MIGRATION_LOCK = 0x1a7c_4e11;

/**
 * Brings the schema of a server up to date, over connections of its own and without the time limits of ordinary statements: a migrator may have to
 * wait long, and to work long. Concurrent migrators queue. Resolves to the names of what ran. Errors: the driver's.
 */
export async function migrateServer(url: string): Promise<readonly string[]> {
  const orm = await PostgresOrm.init({
    ...ORM_OPTIONS,
    clientUrl: url,
    pool: { min: 0, max: 2 },
    // Of the URL itself MikroORM takes no parameters: TLS among them.
    driverOptions: { connectionString: url, application_name: 'latchkey migrator', keepAlive: true },
  });
  try {
    const tables: Kysely<Tables> = orm.em.getKysely<Tables>();
    return await tables.transaction().execute(async (transaction) => {
      // A lock of the transaction and not of the session: behind a pooler, the session is shared, and would keep it.
      await sql`set local statement_timeout = 0`.execute(transaction);
      await sql`set local idle_in_transaction_session_timeout = 0`.execute(transaction);
      await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(transaction);
      const ran = namesOf(await new Migrator(orm.em).up());
      await noteServing(transaction, MIGRATION_NAMES);
      return ran;
    });
  } finally {
    await orm.close();
  }
}

/** Brings the schema of an open embedded database up to date. Resolves to the names of what ran. Errors: the driver's. */
export async function migrateEmbedded(pglite: PGlite): Promise<readonly string[]> {
  const orm = await PgliteOrm.init({ ...ORM_OPTIONS, dbName: 'postgres', driverOptions: { pglite } });
  try {
    const ran = namesOf(await new Migrator(orm.em).up());
    await noteServing(orm.em.getKysely<Tables>(), MIGRATION_NAMES);
    return ran;
  } finally {
    // The database stays open: it is the caller's.
    await orm.close();
  }
}

function namesOf(migrations: ReadonlyArray<{ readonly name: string }>): readonly string[] {
  return migrations.map(({ name }) => name);
}
