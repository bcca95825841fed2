// Service accounts in Postgres.

import type { Kysely } from 'kysely';
import type { ServiceAccountStore } from '../../domain/service-account/service-account.ts';
import { date } from './row-values.ts';
import type { Tables } from './rows.ts';

/** The store over a connection or a transaction. */
export function serviceAccountStore(tables: Kysely<Tables>): ServiceAccountStore {
  return {
    async insert(account) {
      const inserted = await tables
        .insertInto('service_accounts')
        .values({
          id: account.id,
          name: account.name,
          scopes: [...account.scopes],
          status: 'active',
          token_version: 1,
          create_time: date(account.createTime),
        })
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      return inserted !== undefined;
    },
  };
}
