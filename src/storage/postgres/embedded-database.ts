// Opens the Postgres that runs inside this process.

import type { PGliteOptions } from '@electric-sql/pglite';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { Kysely, PGliteDialect } from 'kysely';
import type { Database, EmbeddedLocation } from './connection.ts';
import { explainEmbedded, makingWhole, requireOwnVersion } from './embedded-folder.ts';
import { makeInWorker } from './embedded-maker.ts';
import { MIGRATION_NAMES } from './migrations/migration-names.ts';
import { TIME_TYPES, timeAsText } from './row-values.ts';
import type { Tables } from './rows.ts';
import { pendingMigrations, schemaState } from './schema-state.ts';
import { statementsOver } from './statement.ts';
import { embeddedProbe } from './write-probe.ts';

/**
 * PGlite asks for 160 MB by default, all of which is resident from the start. What does not fit is read again from the page cache of the operating
 * system.
 */
const SHARED_BUFFERS = '16MB';

const OPTIONS: PGliteOptions = {
  extensions: { pg_trgm },
  parsers: Object.fromEntries(TIME_TYPES.map((type) => [type, timeAsText])),
  startParams: [...PGlite.defaultStartParams, '-c', `shared_buffers=${SHARED_BUFFERS}`],
};

/**
 * Opens the database in `dataDir`; one that is not there is made first, with its schema, in a thread whose memory is given back. Errors: Error with
 * one line that says what to do, PGlite's.
 */
export async function openEmbedded({ dataDir }: EmbeddedLocation): Promise<Database> {
  if (dataDir.startsWith('memory://')) return connect(dataDir, []);
  await requireOwnVersion(dataDir);
  const made = await makingWhole(dataDir, () => makeInWorker(dataDir));
  return connect(dataDir, made ?? []);
}

/** The engine itself, for whoever closes it again. Errors: Error with one line, PGlite's. */
export async function startEngine(dataDir: string): Promise<PGlite> {
  return PGlite.create({ ...OPTIONS, dataDir }).catch((error: unknown) => {
    throw explainEmbedded(dataDir, error);
  });
}

async function connect(dataDir: string, made: readonly string[]): Promise<Database> {
  const pglite = await startEngine(dataDir);
  const tables = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }) });
  const run = statementsOver(tables);
  let unreported = made;
  return {
    tables,
    run,
    reserved: { tables, run },
    limitsBy: 'connection',
    probe: embeddedProbe(tables),
    pendingMigrations: () => pendingMigrations(tables, MIGRATION_NAMES),
    schemaState: () => schemaState(tables, MIGRATION_NAMES),
    async migrate() {
      const ran = [...unreported, ...(await migrateOpen(dataDir, pglite, tables))];
      unreported = [];
      return ran;
    },
    close: () => tables.destroy(),
  };
}

async function migrateOpen(
  dataDir: string,
  pglite: PGlite,
  tables: Kysely<Tables>,
): Promise<readonly string[]> {
  if ((await pendingMigrations(tables, MIGRATION_NAMES)).length === 0) return [];
  const { migrateEmbedded } = await import('./migrations/migrator.ts');
  return migrateEmbedded(pglite).catch((error: unknown) => {
    throw explainEmbedded(dataDir, error);
  });
}
