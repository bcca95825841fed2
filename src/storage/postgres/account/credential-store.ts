// What accounts log in with, in Postgres.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { CredentialStore } from '../../../domain/account/credential-store.ts';
import { date } from '../row-values.ts';
import type { Tables } from '../rows.ts';
import { toUser } from './user-store.ts';

/** The store over a connection or a transaction. */
export function credentialStore(tables: Kysely<Tables>): CredentialStore {
  const writeHash = (userId: string, hash: string | null, now: number) =>
    tables
      .updateTable('users')
      .set({ password_hash: hash, update_time: date(now) })
      .where('id', '=', userId)
      .where('status', '=', 'active');
  return {
    async setPasswordHash(userId, hash, now) {
      await supersede(tables, userId, now);
      const row = await writeHash(userId, hash, now).returning('id').executeTakeFirst();
      return row !== undefined;
    },

    async replacePasswordHash({ userId, checkedHash, newHash, now }) {
      await supersede(tables, userId, now);
      const row = await writeHash(userId, newHash, now)
        .where('password_hash', '=', checkedHash)
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : toUser(row);
    },

    async removePassword(userId, now) {
      await supersede(tables, userId, now);
      const row = await writeHash(userId, null, now)
        .where('password_hash', 'is not', null)
        .returning('id')
        .executeTakeFirst();
      return row !== undefined;
    },

    async findSuperseded(userId, since) {
      const row = await tables
        .selectFrom('superseded_passwords')
        .select('password_hash')
        .where('user_id', '=', userId)
        .where('replace_time', '>', date(since))
        .executeTakeFirst();
      return row?.password_hash;
    },
  };
}

// Locks the account's row first, so that of any number of replacements at once each keeps the hash that it replaces.
async function supersede(tables: Kysely<Tables>, userId: string, now: number): Promise<void> {
  await sql`
    with account as materialized (
      select id, password_hash from users where id = ${userId} and status = 'active' for no key update)
    insert into superseded_passwords (user_id, password_hash, replace_time)
    select id, password_hash, ${date(now)}::timestamptz from account where password_hash is not null
    on conflict (user_id) do update
    set password_hash = excluded.password_hash, replace_time = excluded.replace_time`.execute(tables);
}
