// `latchkey migrate`: brings the schema of the database up to date.

import type { Config } from '../config.ts';
import { openStorage } from '../wiring/storage.ts';
import { requireServable } from './current-storage.ts';

/** Migrates, and prints what ran. Errors: ConfigError; Error for a schema that is ahead of this release; the driver's. */
export async function migrate(config: Config): Promise<void> {
  const { database, dataDir } = await openStorage(config);
  await requireServable({ database });
  const applied = await database.migrate();
  console.log(applied.length === 0 ? 'The schema is up to date.' : `Applied: ${applied.join(', ')}`);
  await database.close();
  await dataDir?.release();
}
