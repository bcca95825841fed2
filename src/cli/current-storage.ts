// Opens the database for a command that needs its schema as this version knows it.

import type { OpenStorage } from '../app.ts';
import type { Config } from '../config.ts';
import { ConfigError } from '../config.ts';
import { openStorage } from '../wiring/storage.ts';

/**
 * The open database: embedded it is brought up to date; on a server, that is for `latchkey migrate`. A schema that a newer release has migrated and
 * that this one can serve is served, so that a rollout and a way back cost no outage. Errors: ConfigError, also for a schema that is behind; Error
 * for one that is ahead, and for an embedded database that a running service holds; the driver's.
 */
export async function openCurrentStorage(config: Config): Promise<OpenStorage> {
  const storage = await openStorage(config);
  try {
    await requireServable(storage);
    if (storage.dataDir !== undefined) await storage.database.migrate();
    const pending = await storage.database.pendingMigrations();
    if (pending.length === 0) return storage;
    throw new ConfigError(
      `LATCHKEY_DATABASE_URL: the schema is behind (${pending.join(', ')}); run: latchkey migrate`,
    );
  } catch (error) {
    await storage.database.close();
    await storage.dataDir?.release();
    throw error;
  }
}

/** Refuses a schema that this release cannot serve, because a newer one has migrated it. Errors: Error with one line that says what to do. */
export async function requireServable({ database }: Pick<OpenStorage, 'database'>): Promise<void> {
  const { unknown, isServable } = await database.schemaState();
  if (isServable) return;
  throw new Error(
    `the schema is ahead of this release (${unknown.join(', ')}): a newer latchkey has migrated the database; run that release, or restore a backup from before`,
  );
}
