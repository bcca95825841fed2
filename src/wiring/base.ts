// What every concept is put together over: configuration, clock, database, stores and the secrets of the installation.

import type { Config } from '../config.ts';
import { newId, newPassword, randomBytes } from '../crypto/ids.ts';
import { openInstance } from '../crypto/keys/instance-secrets.ts';
import type { Keyring } from '../crypto/keys/keyring.ts';
import type { DataDir } from '../data-dir.ts';
import type { Clock } from '../domain/clock.ts';
import type { Database } from '../storage/postgres/connection.ts';
import { openStores, openTransactions } from '../storage/postgres/stores.ts';
import type { Logger } from '../telemetry/logger.ts';

/** What tests put in the place of the real thing. */
export type Overrides = { readonly clock?: Clock };

/** The database with what opens what is sealed in it: the URL's, or the data directory's. */
export type OpenStorage = {
  readonly database: Database;
  readonly dataDir: DataDir | undefined;
  readonly keyring: Keyring;
};

/** The base of an app. */
export type Base = Awaited<ReturnType<typeof openBase>>;

/** Opens the stores and the secrets of the installation. Errors: WrongMasterKeyError, STORAGE_UNAVAILABLE. */
export async function openBase(config: Config, logger: Logger, storage: OpenStorage, overrides: Overrides) {
  const { database, dataDir, keyring } = storage;
  const clock = overrides.clock ?? { now: () => Date.now() };
  const stores = openStores(database);
  // Embedded there is one connection, and one of everything.
  const reservedStores = database.reserved.run === database.run ? stores : openStores(database.reserved);
  const transact = openTransactions(database.tables);
  const secrets = await openInstance(keyring, { instance: stores.instance, transact });
  const ids = { newId, randomBytes, newPassword };
  const stopwatch = () => performance.now();
  return {
    config,
    logger,
    database,
    dataDir,
    keyring,
    clock,
    stopwatch,
    stores,
    reservedStores,
    transact,
    secrets,
    ids,
  };
}
