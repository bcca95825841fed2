// Failures and locks in Postgres: they outlive Redis, restarts and the login that they refused.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Locks, LockoutStore } from '../../../domain/lockout/lockout-store.ts';
import { date, optionalTime } from '../row-values.ts';
import type { Tables } from '../rows.ts';
import type { RunStatement, Statement } from '../statement.ts';

type LockRow = { readonly key: string; readonly locked_until: string | Date | null };

type CountedRow = {
  readonly failures: number;
  readonly locked_until: string | null;
};

const FIND_LOCKS: Statement<LockRow> = {
  name: 'lockout_find_locks',
  text: 'select key, locked_until from lockouts where key = any ($1::text[]) and locked_until > $2',
};

// A statement of its own: the wait for a failure that is about to lock shows its outcome here, and would not in one that had begun before. In the
// order of the keys, as failures are counted: else two transactions could wait for each other.
const LOCK_ROWS: Statement<LockRow> = {
  name: 'lockout_lock_rows',
  text: `
    select key, locked_until from lockouts where key = any ($1::text[])
    order by array_position($1::text[], key) for update`,
};

/** The store over a connection or a transaction. */
export function lockoutStore(tables: Kysely<Tables>, run: RunStatement): LockoutStore {
  return {
    async findLocks(keys, now) {
      const { rows } = await run(FIND_LOCKS, [[...keys], date(now)]);
      return locksAt(rows, now);
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

    async clear(keys, now) {
      const { rows } = await run(LOCK_ROWS, [[...keys]]);
      const locks = locksAt(rows, now);
      await deleteRows(
        tables,
        rows.map(({ key }) => key).filter((key) => !locks.has(key)),
      );
      return locks;
    },

    async deleteAll(keys) {
      const { rows } = await run(LOCK_ROWS, [[...keys]]);
      await deleteRows(
        tables,
        rows.map(({ key }) => key),
      );
      return rows.length > 0;
    },
  };
}

async function deleteRows(tables: Kysely<Tables>, keys: readonly string[]): Promise<void> {
  if (keys.length > 0) await tables.deleteFrom('lockouts').where('key', 'in', keys).execute();
}

function locksAt(rows: readonly LockRow[], now: number): Locks {
  const locks = new Map<string, number>();
  for (const { key, locked_until: end } of rows) {
    const lockedUntil = optionalTime(end);
    if (lockedUntil !== undefined && lockedUntil > now) locks.set(key, lockedUntil);
  }
  return locks;
}
