// Deletions of accounts in Postgres.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { AccountDeletionStore } from '../../domain/account/account-deletion-store.ts';
import { date } from './row-values.ts';
import type { Tables } from './rows.ts';

const BELONGINGS = ['totp_factors', 'backup_codes', 'action_tokens', 'known_devices'] as const;

/** The store over a transaction. */
export function accountDeletionStore(tables: Kysely<Tables>): AccountDeletionStore {
  return {
    async countOthersWithRole(userId, role) {
      // In one order for all, so that of any number at once each waits for those before it and sees what they did.
      const rows = await tables
        .selectFrom('users')
        .select('id')
        .where('role', '=', role)
        .where('status', '=', 'active')
        .orderBy('id')
        .forUpdate()
        .execute();
      return rows.filter(({ id }) => id !== userId).length;
    },

    async erase(userId, role, now) {
      const row = await tables
        .updateTable('users')
        .set({
          status: 'deleted',
          password_hash: null,
          email_key: sql`'deleted:' || id`,
          username_key: null,
          mfa_enabled: false,
          token_version: sql`token_version + 1`,
          session_epoch: sql`session_epoch + 1`,
          update_time: date(now),
        })
        .where('id', '=', userId)
        .where('status', '=', 'active')
        .where('role', '=', role)
        .returning(['email', 'full_name', 'token_version'])
        .executeTakeFirst();
      if (row === undefined) return undefined;
      await tables
        .updateTable('api_keys')
        .set({ revoke_time: date(now) })
        .where('owner_id', '=', userId)
        .where('owner_kind', '=', 'user')
        .where('revoke_time', 'is', null)
        .execute();
      for (const table of BELONGINGS) await tables.deleteFrom(table).where('user_id', '=', userId).execute();
      return { email: row.email, fullName: row.full_name, tokenVersion: row.token_version };
    },
  };
}
