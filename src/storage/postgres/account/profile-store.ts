// Profiles in Postgres.

import type { Kysely } from 'kysely';
import type { ProfileChange, ProfileStore } from '../../../domain/account/profile-store.ts';
import { isUniqueViolation } from '../errors.ts';
import { date } from '../row-values.ts';
import type { Tables } from '../rows.ts';
import { toUser } from './user-store.ts';

/** The store over a transaction. */
export function profileStore(tables: Kysely<Tables>): ProfileStore {
  return {
    async update(userId, changes, now) {
      try {
        const row = await tables
          .updateTable('users')
          .set(columnsOf(changes, now))
          .where('id', '=', userId)
          .where('status', '=', 'active')
          .returningAll()
          .executeTakeFirst();
        return row === undefined ? undefined : toUser(row);
      } catch (error) {
        // The user name is the only unique column here.
        if (isUniqueViolation(error)) return 'username_taken';
        throw error;
      }
    },
  };
}

/** What a change of a profile writes. */
export type ProfileColumns = {
  readonly update_time: Date;
  readonly full_name?: string;
  readonly username?: string | null;
  readonly username_key?: string | null;
};

function columnsOf(changes: readonly ProfileChange[], now: number): ProfileColumns {
  return changes.reduce<ProfileColumns>((columns, change) => ({ ...columns, ...profileColumns(change) }), {
    update_time: date(now),
  });
}

/** The columns of one change. */
export function profileColumns(change: ProfileChange): Omit<ProfileColumns, 'update_time'> {
  if (change.field === 'full_name') return { full_name: change.fullName };
  const { username } = change;
  return { username: username?.text ?? null, username_key: username?.key ?? null };
}
