// Deletions of accounts in Postgres.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { AccountDeletionStore } from '../../../domain/account/account-deletion-store.ts';
import { date } from '../row-values.ts';
import type { Tables } from '../rows.ts';

const BELONGINGS = [
  'totp_factors',
  'backup_codes',
  'action_tokens',
  'known_devices',
  'superseded_passwords',
] as const;

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

    async erase(userId, now) {
      await tables
        .updateTable('users')
        .set({
          status: 'deleted',
          suspension_reason: null,
          password_hash: null,
          email_key: sql`'deleted:' || id`,
          username_key: null,
          mfa_enabled: false,
          update_time: date(now),
        })
        .where('id', '=', userId)
        .execute();
      for (const table of BELONGINGS) await tables.deleteFrom(table).where('user_id', '=', userId).execute();
    },
  };
}
