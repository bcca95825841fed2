// Checks whether this release can serve with the schema of a database: rolled out newer ones keep the release before them serving.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Tables } from './rows.ts';

/**
 * The newest migration that a program must know to serve the schema as this release leaves it. Raise it, to a migration of the release before or an
 * older one, when the schema changes in a way that programs without that migration cannot bear.
 */
const OLDEST_SERVING = '2026-11-key-schema';
const FACT = 'schema_serves_since';

/** How the schema stands to this release. */
export type SchemaState = {
  /** Migrations that have run and that this release does not know: a newer one has migrated. */
  readonly unknown: readonly string[];
  /** Whether this release can serve it all the same; true when nothing is unknown. */
  readonly isServable: boolean;
};

/** Compares what has run with what this release knows, `known` being names of migrations. Errors: the driver's. */
export async function schemaState(tables: Kysely<Tables>, known: readonly string[]): Promise<SchemaState> {
  const unknown = (await migrationsRun(tables)).filter((name) => !known.includes(name));
  if (unknown.length === 0) return { unknown, isServable: true };
  const fact = await tables
    .selectFrom('instance_facts')
    .select('value')
    .where('name', '=', FACT)
    .executeTakeFirst();
  return { unknown, isServable: fact !== undefined && known.includes(fact.value) };
}

/** Those of `known`, in their order, that have not run. Errors: the driver's. */
export async function pendingMigrations(
  tables: Kysely<Tables>,
  known: readonly string[],
): Promise<readonly string[]> {
  const run = new Set(await migrationsRun(tables));
  return known.filter((name) => !run.has(name));
}

// In the order in which they ran; none where the first has not run whole.
async function migrationsRun(tables: Kysely<Tables>): Promise<readonly string[]> {
  const { rows: exists } = await sql<{ readonly found: boolean }>`
    select to_regclass('schema_migrations') is not null and to_regclass('instance_facts') is not null as found`.execute(
    tables,
  );
  if (exists[0]?.found !== true) return [];
  const { rows } = await sql<{
    readonly name: string;
  }>`select name from schema_migrations order by id`.execute(tables);
  return rows.map(({ name }) => name);
}

/** Notes, once the migrations have run, which programs can serve the schema; left alone where a newer release has migrated. */
export async function noteServing(tables: Kysely<Tables>, known: readonly string[]): Promise<void> {
  if ((await schemaState(tables, known)).unknown.length > 0) return;
  await tables
    .insertInto('instance_facts')
    .values({ name: FACT, value: OLDEST_SERVING })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: OLDEST_SERVING }))
    .execute();
}
