// Opens the database for a command that needs its schema as this version knows it.

import type { OpenStorage } from '../app.ts';
import { openStorage } from '../app.ts';
import type { Config } from '../config.ts';
import { ConfigError } from '../config.ts';

/**
 * The open database: embedded it is brought up to date; on a server, that is for `latchkey migrate`. Errors: ConfigError, also for an embedded
 * database that a running service holds; the driver's.
 */
export async function openCurrentStorage(config: Config): Promise<OpenStorage> {
  const storage = await openStorage(config);
  if (storage.dataDir !== undefined) await storage.database.migrate();
  const pending = await storage.database.pendingMigrations();
  if (pending.length === 0) return storage;
  await storage.database.close();
  throw new ConfigError(
    `LATCHKEY_DATABASE_URL: the schema is behind (${pending.join(', ')}); run: latchkey migrate`,
  );
}
