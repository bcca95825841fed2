// Opens a database on a Postgres server.

import { Pool, TypeOverrides } from 'pg';
import type { Database, ServerLocation } from './connection.ts';
import { MIGRATION_NAMES } from './migrations/migration-names.ts';
import { TIME_TYPES, timeAsText } from './row-values.ts';
import { pendingMigrations, schemaState } from './schema-state.ts';
import {
  dropUnfinishedConnections,
  findLimitsBy,
  reservedPool,
  startupLimits,
  statementsOverPool,
  surviveLostConnections,
  tablesOver,
} from './server-pool.ts';
import { serverProbe } from './write-probe.ts';

/** Connects once, so that a wrong URL is known at once. Errors: the driver's. */
export async function openServer(location: ServerLocation): Promise<Database> {
  const { url, poolSize, statementTimeoutMs } = location;
  const limitsBy = await findLimitsBy(url, statementTimeoutMs);
  const policy = { limitsBy, statementTimeoutMs, isPrepared: location.preparedStatements ?? true };
  const pool = new Pool({
    connectionString: url,
    min: 0,
    max: poolSize,
    types: timesAsText(),
    application_name: 'latchkey',
    connectionTimeoutMillis: statementTimeoutMs,
    query_timeout: statementTimeoutMs,
    ...(limitsBy === 'connection' ? startupLimits(policy) : {}),
    keepAlive: true,
  });
  surviveLostConnections(pool);
  dropUnfinishedConnections(pool);
  const reserved = reservedPool(pool);
  const tables = tablesOver(pool, policy);
  return {
    tables,
    run: statementsOverPool(pool, policy),
    reserved: { tables: tablesOver(reserved, policy), run: statementsOverPool(reserved, policy) },
    limitsBy,
    probe: serverProbe(pool),
    pendingMigrations: () => pendingMigrations(tables, MIGRATION_NAMES),
    schemaState: () => schemaState(tables, MIGRATION_NAMES),
    async migrate() {
      const { migrateServer } = await import('./migrations/migrator.ts');
      return migrateServer(url);
    },
    async close() {
      await Promise.all([reserved.end(), pool.end()]);
    },
  };
}

function timesAsText(): TypeOverrides {
  const types = new TypeOverrides();
  for (const type of TIME_TYPES) types.setTypeParser(type, timeAsText);
  return types;
}
