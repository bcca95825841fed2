// Opens the database: a Postgres server, or the Postgres that runs inside this process. Everything else here is the same for both.

import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM as PgliteOrm } from '@mikro-orm/pglite';
import { MikroORM as PostgresOrm } from '@mikro-orm/postgresql';
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { explainEmbedded, makingWhole, requireOwnVersion } from './embedded-folder.ts';
import { AccountSchema } from './migrations/account-schema.ts';
import { AuditReadingSchema } from './migrations/audit-reading-schema.ts';
import { AuditSchema } from './migrations/audit-schema.ts';
import { DirectorySchema } from './migrations/directory-schema.ts';
import { InitialSchema } from './migrations/initial-schema.ts';
import { KeyLineageSchema } from './migrations/key-lineage-schema.ts';
import { KeySchema } from './migrations/key-schema.ts';
import { RecoverySchema } from './migrations/recovery-schema.ts';
import { StatsSchema } from './migrations/stats-schema.ts';
import { TokenLifetimeSchema } from './migrations/token-lifetime-schema.ts';
import type { Tables } from './rows.ts';
import type { SchemaState } from './schema-state.ts';
import { noteServing, schemaState } from './schema-state.ts';
import { ROWS } from './rows.ts';
import type { LimitsBy } from './server-pool.ts';
import {
  dropUnfinishedConnections,
  findLimitsBy,
  reservedPool,
  startupLimits,
  statementsOverPool,
  tablesOver,
} from './server-pool.ts';
import type { RunStatement } from './statement.ts';
import { statementsOver } from './statement.ts';
import type { ProbeDatabase } from './write-probe.ts';
import { embeddedProbe, serverProbe } from './write-probe.ts';

/** A Postgres server by URL, or the embedded one by folder (`memory://` keeps nothing). */
export type DatabaseLocation = ServerLocation | { readonly dataDir: string };

export type ServerLocation = {
  readonly url: string;
  readonly poolSize: number;
  readonly statementTimeoutMs: number;
  /** Whether statements may be prepared by name, which some poolers do not take; true by default. */
  readonly preparedStatements?: boolean;
};

/** An open database. */
export type Database = {
  readonly tables: Kysely<Tables>;
  /** For hot statements outside transactions. */
  readonly run: RunStatement;
  /** As `tables` and `run`, over a connection that nothing else uses: it is there when all others are taken. */
  readonly reserved: Pick<Database, 'tables' | 'run'>;
  /** By `transaction` there is a pooler in between, and statements outside transactions have no time limit on the server. */
  readonly limitsBy: LimitsBy;
  /** Whether it takes writes. Over the shared connections: when they are all taken, that is what it finds. */
  readonly probe: ProbeDatabase;
  /** Brings the schema up to date. Concurrent migrators queue; a rerun does nothing. Resolves to the names of what ran. */
  migrate(): Promise<readonly string[]>;
  /** The migrations that have not run. */
  pendingMigrations(): Promise<readonly string[]>;
  /** Whether a newer release has migrated it, and whether this one can serve it all the same. */
  schemaState(): Promise<SchemaState>;
  close(): Promise<void>;
};

const MIGRATIONS = [
  { name: '2026-11-initial-schema', class: InitialSchema },
  { name: '2026-11-account-schema', class: AccountSchema },
  { name: '2026-11-directory-schema', class: DirectorySchema },
  { name: '2026-11-audit-schema', class: AuditSchema },
  { name: '2026-11-audit-reading-schema', class: AuditReadingSchema },
  { name: '2026-11-stats-schema', class: StatsSchema },
  { name: '2026-11-key-schema', class: KeySchema },
  { name: '2026-11-recovery-schema', class: RecoverySchema },
  { name: '2026-11-token-lifetime-schema', class: TokenLifetimeSchema },
  { name: '2026-11-key-lineage-schema', class: KeyLineageSchema },
];

const KNOWN = names(MIGRATIONS);

const ORM_OPTIONS = {
  entities: [...ROWS],
  extensions: [Migrator],
  migrations: { migrationsList: MIGRATIONS, snapshot: false, silent: true, tableName: 'schema_migrations' },
  discovery: { warnWhenNoEntities: false },
  logger: () => undefined,
};

/** The name under which migrators queue. */
const MIGRATION_LOCK = 0x1a7c_4e11;

/** Opens the database; for a server it connects once, so that a wrong URL is known at once. Errors: the driver's. */
export async function openDatabase(location: DatabaseLocation): Promise<Database> {
  return 'url' in location ? openServer(location) : openEmbedded(location);
}

async function openServer(location: ServerLocation): Promise<Database> {
  const { url, poolSize, statementTimeoutMs } = location;
  const limitsBy = await findLimitsBy(url, statementTimeoutMs);
  const policy = { limitsBy, statementTimeoutMs, isPrepared: location.preparedStatements ?? true };
  const orm = await PostgresOrm.init({
    ...ORM_OPTIONS,
    clientUrl: url,
    pool: { min: 0, max: poolSize },
    driverOptions: {
      application_name: 'latchkey',
      connectionTimeoutMillis: statementTimeoutMs,
      query_timeout: statementTimeoutMs,
      ...(limitsBy === 'connection' ? startupLimits(policy) : {}),
      keepAlive: true,
      onPoolCreated: dropUnfinishedConnections,
    },
  });
  const pool = await orm.em.getConnection().getNativeClient();
  const reserved = reservedPool(pool);
  const migrator = new Migrator(orm.em);
  const tables = tablesOver(pool, policy);
  return {
    tables,
    run: statementsOverPool(pool, policy),
    reserved: { tables: tablesOver(reserved, policy), run: statementsOverPool(reserved, policy) },
    limitsBy,
    probe: serverProbe(pool),
    pendingMigrations: async () => names(await migrator.getPending()),
    schemaState: () => schemaState(tables, KNOWN),
    async close() {
      await Promise.all([reserved.end(), orm.close()]);
    },
    migrate: () => migrateServer(url),
  };
}

// Over connections of its own, without the time limits of ordinary statements: a migrator may have to wait long, and to work long.
async function migrateServer(url: string): Promise<readonly string[]> {
  const orm = await PostgresOrm.init({
    ...ORM_OPTIONS,
    clientUrl: url,
    pool: { min: 0, max: 2 },
    driverOptions: { application_name: 'latchkey migrator', keepAlive: true },
  });
  try {
    const tables: Kysely<Tables> = orm.em.getKysely<Tables>();
    return await tables.transaction().execute(async (transaction) => {
      // A lock of the transaction and not of the session: behind a pooler, the session is shared, and would keep it.
      await sql`set local statement_timeout = 0`.execute(transaction);
      await sql`set local idle_in_transaction_session_timeout = 0`.execute(transaction);
      await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(transaction);
      const ran = names(await new Migrator(orm.em).up());
      await noteServing(transaction, KNOWN);
      return ran;
    });
  } finally {
    await orm.close();
  }
}

async function openEmbedded({ dataDir }: Extract<DatabaseLocation, { dataDir: string }>): Promise<Database> {
  if (dataDir.startsWith('memory://')) return connectEmbedded(dataDir);
  await requireOwnVersion(dataDir);
  return makingWhole(dataDir, () => connectEmbedded(dataDir));
}

async function connectEmbedded(dataDir: string): Promise<Database> {
  const orm = await PgliteOrm.init({
    ...ORM_OPTIONS,
    dbName: dataDir,
    driverOptions: { extensions: { pg_trgm } },
  });
  const tables: Kysely<Tables> = orm.em.getKysely<Tables>();
  const rethrow = (error: unknown): never => {
    throw explainEmbedded(dataDir, error);
  };
  await sql`select 1`.execute(tables).catch(rethrow);
  const migrator = new Migrator(orm.em);
  const run = statementsOver(tables);
  return {
    tables,
    run,
    reserved: { tables, run },
    limitsBy: 'connection',
    probe: embeddedProbe(tables),
    pendingMigrations: async () => names(await migrator.getPending()),
    schemaState: () => schemaState(tables, KNOWN),
    migrate: async () => {
      const ran = names(await migrator.up().catch(rethrow));
      await noteServing(tables, KNOWN);
      return ran;
    },
    close: () => orm.close(),
  };
}

function names(migrations: ReadonlyArray<{ readonly name: string }>): readonly string[] {
  return migrations.map((migration) => migration.name);
}
