// Failures and locks in Postgres: they outlive Redis, restarts and the login that they refused.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { LockoutStore } from '../../domain/lockout/lockout-store.ts';
import { date, optionalTime } from './row-values.ts';
import type { Tables } from './rows.ts';

type CountedRow = {
  readonly failures: number;
  readonly locked_until: string | null;
  readonly was_locked: boolean;
};

/** The store over a connection or a transaction. */
export function lockoutStore(tables: Kysely<Tables>): LockoutStore {
  return {
    async lockedUntil(key, now) {
      const row = await tables
        .selectFrom('lockouts')
        .select('locked_until')
        .where('key', '=', key)
        .where('locked_until', '>', date(now))
        .executeTakeFirst();
      return optionalTime(row?.locked_until ?? null);
    },

    async count(key, now, { maxFailures, lockMs }) {
      const { rows } = await sql<CountedRow>`
        insert into lockouts as l (key, failures, last_failure_time)
        values (${key}, 1, ${date(now)})
        on conflict (key) do update set
          failures = case
            when l.locked_until <= ${date(now)} then 1
            when l.locked_until is null and l.last_failure_time <= ${date(now - lockMs)} then 1
            else l.failures + 1 end,
          last_failure_time = ${date(now)},
          locked_until = case
            when l.locked_until > ${date(now)} then l.locked_until
            when l.locked_until is null and l.last_failure_time > ${date(now - lockMs)} and l.failures + 1 >= ${maxFailures}::int
              then ${date(now + lockMs)}::timestamptz end
        returning failures, locked_until`.execute(tables);
      const [row] = rows;
      const failures = row?.failures ?? 0;
      const lockedUntil = optionalTime(row?.locked_until ?? null);
      // The count goes on while the account is locked: only the failure that locks it stands at the bound.
      return { failures, lockedUntil, lockedNow: lockedUntil !== undefined && failures === maxFailures };
    },

    async clear(key, now) {
      // A statement of its own: the wait for a failure that is about to lock shows its outcome here, and would not in one that had begun before.
      const row = await tables
        .selectFrom('lockouts')
        .select('locked_until')
        .where('key', '=', key)
        .forUpdate()
        .executeTakeFirst();
      const lockedUntil = optionalTime(row?.locked_until ?? null);
      if (lockedUntil !== undefined && lockedUntil > now) return lockedUntil;
      if (row !== undefined) await tables.deleteFrom('lockouts').where('key', '=', key).execute();
      return undefined;
    },

    async forget(key) {
      const { numDeletedRows } = await tables
        .deleteFrom('lockouts')
        .where('key', '=', key)
        .executeTakeFirst();
      return numDeletedRows === 1n;
    },
  };
}
