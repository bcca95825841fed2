// Opens what the contract suites run on: the embedded Postgres and a real one, migrated, with every store.

import { afterAll, describe } from 'vitest';

import { openDatabase, type Database } from '../../src/storage/postgres/connection.ts';
import { openStores, openTransactions, type Stores } from '../../src/storage/postgres/stores.ts';
import type { Transact } from '../../src/domain/transactions.ts';
import { openEmbedded } from './warm-starts.ts';
import { createTestDatabase, describeWithPostgres, templateDatabase } from './services.ts';

/** A migrated database of the test's own. */
export type TestStores = {
  readonly database: Database;
  readonly stores: Stores;
  readonly transact: Transact<Stores>;
  /** Undefined for the embedded one. */
  readonly url: string | undefined;
};

/** Opens one more database, empty but for the schema; it is closed and dropped after the suite. */
export type OpenStores = () => Promise<TestStores>;

const TIMEOUT_MS = 20_000;
const POOL_SIZE = 12;

/** Everything over an open database. */
export function storesOver(database: Database, url?: string): TestStores {
  return {
    database,
    stores: openStores(database),
    transact: openTransactions(database.tables),
    url,
  };
}

/** Opens the database of a server as the service does. */
export function openServerDatabase(url: string): Promise<Database> {
  return openDatabase({ url, poolSize: POOL_SIZE, statementTimeoutMs: TIMEOUT_MS });
}

/** The embedded database in memory, migrated; the caller closes it. */
export async function openEmbeddedStores(): Promise<TestStores> {
  const database = await openEmbedded();
  return storesOver(database);
}

/** A suite on a real Postgres. */
export function describeOnPostgres(name: string, suite: (open: OpenStores) => void): void {
  describeWithPostgres(`${name} on Postgres`, () => {
    suite(closingAfterwards(openOnServer));
  });
}

/** A suite on the embedded database and on a real Postgres. */
export function describeOnEveryDatabase(name: string, suite: (open: OpenStores) => void): void {
  describe(`${name} on PGlite`, () => {
    suite(
      closingAfterwards(async () => {
        const opened = await openEmbeddedStores();
        return { opened, close: () => opened.database.close() };
      }),
    );
  });
  describeOnPostgres(name, suite);
}

type Opening = { readonly opened: TestStores; close(): Promise<unknown> };

async function openOnServer(): Promise<Opening> {
  const template = await templateDatabase('schema', async (url) => {
    const database = await openServerDatabase(url);
    await database.migrate();
    await database.close();
  });
  const testDatabase = await createTestDatabase({ template });
  const database = await openServerDatabase(testDatabase.url);
  return {
    opened: storesOver(database, testDatabase.url),
    close: async () => {
      await database.close();
      await testDatabase.drop();
    },
  };
}

function closingAfterwards(open: () => Promise<Opening>): OpenStores {
  const openings: Opening[] = [];
  afterAll(async () => {
    await Promise.all(openings.map((opening) => opening.close()));
  });
  return async () => {
    const opening = await open();
    openings.push(opening);
    return opening.opened;
  };
}
