// Accounts' addresses in Postgres.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { EmailStore } from '../../../domain/account/email-store.ts';
import { isUniqueViolation } from '../errors.ts';
import { date } from '../row-values.ts';
import type { Tables } from '../rows.ts';
import { toUser } from './user-store.ts';

/** The store over a transaction. */
export function emailStore(tables: Kysely<Tables>): EmailStore {
  const living = (column: 'id' | 'email_key', value: string) =>
    tables.selectFrom('users').selectAll().where(column, '=', value).where('status', '<>', 'deleted');
  return {
    async lockById(id) {
      const row = await living('id', id).forUpdate().executeTakeFirst();
      return row && toUser(row);
    },

    async lockByKey(key) {
      const row = await living('email_key', key).forUpdate().executeTakeFirst();
      return row && toUser(row);
    },

    async findByKey(key) {
      const row = await living('email_key', key).executeTakeFirst();
      return row && toUser(row);
    },

    async markVerified(userId, key, now) {
      const { rows } = await sql<{ readonly email_verified: boolean }>`
        with before as materialized (
          select id, email_verified from users
          where id = ${userId} and email_key = ${key} and status = 'active' for no key update)
        update users u set email_verified = true, update_time = ${date(now)}
        from before b where u.id = b.id
        returning b.email_verified`.execute(tables);
      const [before] = rows;
      if (before === undefined) return undefined;
      return before.email_verified ? 'again' : 'first';
    },

    async replace(userId, email, now) {
      // A violation would end the transaction: it is undone up to here instead.
      await sql`savepoint replace_email`.execute(tables);
      try {
        await tables
          .updateTable('users')
          .set({ email: email.text, email_key: email.key, email_verified: true, update_time: date(now) })
          .where('id', '=', userId)
          .execute();
        return 'replaced';
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        await sql`rollback to savepoint replace_email`.execute(tables);
        return 'taken';
      }
    },
  };
}
