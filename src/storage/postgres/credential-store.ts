// What accounts log in with, in Postgres.

import type { Kysely } from 'kysely';
import type { CredentialStore } from '../../domain/account/credential-store.ts';
import { date } from './row-values.ts';
import type { Tables } from './rows.ts';
import { toUser } from './user-store.ts';

/** The store over a transaction. */
export function credentialStore(tables: Kysely<Tables>): CredentialStore {
  return {
    async setPasswordHash(userId, hash, now) {
      const row = await tables
        .updateTable('users')
        .set({ password_hash: hash, update_time: date(now) })
        .where('id', '=', userId)
        .where('status', '=', 'active')
        .returning('id')
        .executeTakeFirst();
      return row !== undefined;
    },

    async replacePasswordHash({ userId, checkedHash, newHash, now }) {
      const row = await tables
        .updateTable('users')
        .set({ password_hash: newHash, update_time: date(now) })
        .where('id', '=', userId)
        .where('status', '=', 'active')
        .where('password_hash', '=', checkedHash)
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : toUser(row);
    },
  };
}
