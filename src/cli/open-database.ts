// Opens the database for a command, and closes it behind it.

import type { OpenStorage } from '../app.ts';
import type { Config } from '../config.ts';
import type { InstanceSecrets } from '../crypto/keys/instance-secrets.ts';
import { openInstance } from '../crypto/keys/instance-secrets.ts';
import { newId } from '../crypto/ids.ts';
import type { Clock, NewId } from '../domain/clock.ts';
import type { Transact } from '../domain/transactions.ts';
import type { Stores } from '../storage/postgres/stores.ts';
import { openStores, openTransactions } from '../storage/postgres/stores.ts';
import { openCurrentStorage } from './current-storage.ts';

/** What a command works with. */
export type OpenDatabase = Stores &
  Pick<OpenStorage, 'database' | 'keyring' | 'dataDir'> & {
    readonly secrets: InstanceSecrets;
    readonly transact: Transact<Stores>;
    readonly clock: Clock;
    readonly newId: NewId;
  };

/**
 * Runs `work` over the database, whose schema is up to date and whose master keys have proved right. Errors: ConfigError,
 * WrongMasterKeyError, STORAGE_UNAVAILABLE, those of `work`.
 */
export async function withDatabase(
  config: Config,
  work: (database: OpenDatabase) => Promise<void>,
): Promise<void> {
  const { database, keyring, dataDir } = await openCurrentStorage(config);
  try {
    const stores = openStores(database);
    const transact = openTransactions(database.tables);
    const secrets = await openInstance(keyring, { instance: stores.instance, transact });
    await work({
      ...stores,
      transact,
      database,
      keyring,
      secrets,
      dataDir,
      clock: { now: () => Date.now() },
      newId,
    });
  } finally {
    await database.close();
    await dataDir?.release();
  }
}
