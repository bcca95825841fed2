// `latchkey bootstrap`: makes the first administrator and the gateway's key, once in the life of a database.

import { bootstrapApp, closeApp, openApp } from '../app.ts';
import type { Config } from '../config.ts';
import { createLogger } from '../telemetry/logger.ts';
import { openCurrentStorage } from './current-storage.ts';

/** Makes them and prints them as JSON. Errors: ConfigError, WrongMasterKeyError, STORAGE_UNAVAILABLE; Error when there is an administrator already. */
export async function bootstrapCommand(config: Config, adminEmail: string | undefined): Promise<void> {
  const storage = await openCurrentStorage(config);
  const app = await openApp(config, createLogger('silent'), storage);
  // Printed before the commit: secrets that were not printed are never valid.
  const secrets = await bootstrapApp(app, adminEmail ?? config.ADMIN_EMAIL, async (made) => {
    await storage.dataDir?.writeBootstrap(made);
    await print(`${JSON.stringify(made, null, 2)}\n`);
  });
  await closeApp(app);
  if (secrets === undefined)
    throw new Error('this database has its administrator already; nothing has been changed');
}

/** Resolves once standard output is flushed. Errors: when it cannot be written. */
function print(text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.once('error', reject);
  process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  return promise;
}
