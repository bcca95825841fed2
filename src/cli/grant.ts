// `latchkey grant <role>`: lets a database role run the service, and keeps it from changing the audit log.

import type { Config } from '../config.ts';
import { ConfigError } from '../config.ts';
import { grantService, UnfitRoleError } from '../storage/postgres/instance/grants.ts';
import { openCurrentStorage } from './current-storage.ts';

/** Grants; to be run with the URL of the owner, again after each migration. Errors: ConfigError, the driver's. */
export async function grant(config: Config, role: string): Promise<void> {
  if (config.DATABASE_URL === undefined)
    throw new ConfigError('LATCHKEY_DATABASE_URL: is required; the embedded database has no roles');
  const { database } = await openCurrentStorage(config);
  try {
    await grantService(database.tables, role);
    console.log(`${role} may run the service; it can add to the audit log and not change it.`);
  } catch (error) {
    throw error instanceof UnfitRoleError ? new ConfigError(error.message, { cause: error }) : error;
  } finally {
    await database.close();
  }
}
