// Where the data is: the database of the URL or the one of the data directory, with the keys that open what is sealed in it.

import type { Config } from '../config.ts';
import { openDataDir } from '../data-dir.ts';
import { embeddedKeyring, givenKeyring } from '../master-keyring.ts';
import { openDatabase } from '../storage/postgres/connection.ts';
import type { OpenStorage } from './base.ts';

/** Opens the database and the master keys. Errors: ConfigError, the driver's. */
export async function openStorage(config: Config): Promise<OpenStorage> {
  if (config.DATABASE_URL !== undefined && config.MASTER_KEY !== undefined) {
    const { DATABASE_URL: url, DATABASE_POOL_SIZE: poolSize, DATABASE_TIMEOUT: statementTimeoutMs } = config;
    const preparedStatements = config.PREPARED_STATEMENTS === 'on';
    const database = await openDatabase({ url, poolSize, statementTimeoutMs, preparedStatements });
    return {
      database,
      dataDir: undefined,
      keyring: givenKeyring(config.MASTER_KEY, config.MASTER_KEY_SECOND),
    };
  }
  const dataDir = await openDataDir(config.DATA_DIR);
  const keyring = await embeddedKeyring(config, dataDir);
  return { database: await openDatabase({ dataDir: dataDir.databaseDir }), dataDir, keyring };
}
