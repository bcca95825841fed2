// Opens the database: a Postgres server, or the Postgres that runs inside this process. Everything else here is the same for both.

import type { Kysely } from 'kysely';
import type { Tables } from './rows.ts';
import type { SchemaState } from './schema-state.ts';
import type { LimitsBy } from './server-pool.ts';
import type { RunStatement } from './statement.ts';
import type { ProbeDatabase } from './write-probe.ts';

/** A Postgres server by URL, or the embedded one by folder (`memory://` keeps nothing). */
export type DatabaseLocation = ServerLocation | EmbeddedLocation;

export type EmbeddedLocation = { readonly dataDir: string };

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

/** Opens the database; a server is connected to once, so that a wrong URL is known at once. Errors: the driver's. */
export async function openDatabase(location: DatabaseLocation): Promise<Database> {
  // Each loads its own driver, and not the other's.
  if ('url' in location) return (await import('./server-database.ts')).openServer(location);
  return (await import('./embedded-database.ts')).openEmbedded(location);
}
