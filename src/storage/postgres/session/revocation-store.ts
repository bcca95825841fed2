// Revocations in Postgres.

import type { Kysely, RawBuilder } from 'kysely';
import { sql } from 'kysely';
import type {
  RevocationPage,
  RevocationPosition,
  RevocationStore,
} from '../../../domain/revocation/revocation-store.ts';
import { MAX_PER_PAGE } from '../../../domain/revocation/revocation-store.ts';
import type { Revocation } from '../../../domain/revocation/revocation.ts';
import { date, optionalDate, optionalTime, time } from '../row-values.ts';
import { expiryOfRevocation } from './token-lifetime-store.ts';
import type { Tables } from '../rows.ts';

/** A row of the table as the domain reads it. */
export type RevocationRow = {
  readonly form: Revocation['form'];
  readonly target_id: string;
  readonly min_version: number;
  readonly revoke_time: string;
  readonly expire_time: string;
  readonly effect_time: string | null;
};

type PageColumns = { readonly cursor: string; readonly database_time: string };
type PagedRow = RevocationRow & PageColumns & { readonly written_by: string };

/** The columns of a RevocationRow, of the table or its alias `r`. */
export const REVOCATION_COLUMNS = sql.raw(
  'r.form, r.target_id, r.min_version, r.revoke_time, r.expire_time, r.effect_time',
);

/** The row as a revocation. */
export function toRevocation(row: RevocationRow): Revocation {
  const times = { revokeTime: time(row.revoke_time), expireTime: time(row.expire_time) };
  if (row.form === 'subject')
    return { form: 'subject', id: row.target_id, minVersion: row.min_version, ...times };
  if (row.form === 'token') return { form: 'token', id: row.target_id, ...times };
  const effectTime = optionalTime(row.effect_time);
  return {
    form: 'session',
    id: row.target_id,
    ...(effectTime === undefined ? {} : { effectTime }),
    ...times,
  };
}

/**
 * The store over a connection or a transaction. A cursor is the oldest transaction that was still open at the look before: whatever
 * commits later was written by that one or a younger one, in whatever order they commit.
 */
export function revocationStore(tables: Kysely<Tables>): RevocationStore {
  const page = async (
    condition: RawBuilder<boolean>,
    order: RawBuilder<unknown>,
  ): Promise<RevocationPage> => {
    // The cursor comes with the rows, from the same snapshot; the outer join keeps it when there are none.
    const { rows } = await sql<PagedRow | (PageColumns & { readonly form: null })>`
      select ${REVOCATION_COLUMNS}, r.written_by, c.cursor, c.database_time
      from (select pg_snapshot_xmin(pg_current_snapshot())::text as cursor, clock_timestamp() as database_time) c
      left join (select * from revocations where ${condition} order by ${order} limit ${MAX_PER_PAGE}) r on true
      order by ${order}`.execute(tables);
    const found = rows.filter((row): row is PagedRow => row.form !== null);
    const { cursor, database_time: databaseTime } = rows[0] ?? unanswered();
    const revocations = found.map(toRevocation);
    return { revocations, cursor, databaseTime: time(databaseTime), next: nextAfter(found) };
  };

  return {
    async insert(revocation) {
      const minVersion = revocation.form === 'subject' ? revocation.minVersion : 0;
      const effectTime = revocation.form === 'session' ? revocation.effectTime : undefined;
      // No effect time is at once, and nothing is sooner.
      const { rows } = await sql<RevocationRow>`
        insert into revocations as r (form, target_id, min_version, revoke_time, expire_time, effect_time)
        values (${revocation.form}, ${revocation.id}, ${minVersion}, ${date(revocation.revokeTime)}, ${expireTimeOf(revocation)},
          ${optionalDate(effectTime)})
        on conflict (form, target_id) do update
        set min_version = greatest(r.min_version, excluded.min_version), expire_time = greatest(r.expire_time, excluded.expire_time),
          effect_time = case when r.effect_time is not null and excluded.effect_time is not null
            then least(r.effect_time, excluded.effect_time) end,
          written_by = excluded.written_by
        returning ${REVOCATION_COLUMNS}`.execute(tables);
      return toRevocation(rows[0] ?? unanswered());
    },
    async insertNew({ form, id, revokeTime, expireTime }) {
      const { numAffectedRows } = await sql`
        insert into revocations as r (form, target_id, min_version, revoke_time, expire_time)
        values (${form}, ${id}, 0, ${date(revokeTime)}, ${date(expireTime)})
        on conflict (form, target_id) do update set expire_time = excluded.expire_time, written_by = excluded.written_by
        where r.expire_time < excluded.expire_time`.execute(tables);
      return numAffectedRows === 1n;
    },

    // By the clock that is behind: were the node's set ahead, what is left out would be missing once it is right again.
    snapshot: (now, after) =>
      page(
        sql<boolean>`expire_time > least(${date(now)}::timestamptz, clock_timestamp())
          and ${after === undefined ? sql`true` : sql`(form, target_id) > (${after.form}, ${after.id})`}`,
        sql`form, target_id`,
      ),
    // One value to compare with, so that the index serves it.
    since: (cursor, after) =>
      page(
        after === undefined
          ? sql<boolean>`written_by >= case
              when pg_snapshot_xmin(pg_current_snapshot()) < ${cursor}::xid8 then '0'::xid8 else ${cursor}::xid8 end`
          : sql<boolean>`(written_by, form, target_id) > (${after.writtenBy}::xid8, ${after.form}, ${after.id})`,
        sql`written_by, form, target_id`,
      ),
  };
}

function nextAfter(rows: readonly PagedRow[]): RevocationPosition | undefined {
  const last = rows.at(-1);
  if (last === undefined || rows.length < MAX_PER_PAGE) return undefined;
  return { form: last.form, id: last.target_id, writtenBy: last.written_by };
}

// A token says itself when it expires; whatever else is revoked stops an unknown set of tokens.
function expireTimeOf(revocation: Revocation): RawBuilder<unknown> {
  const atLeast = sql`${date(revocation.expireTime)}::timestamptz`;
  if (revocation.form === 'token') return atLeast;
  const effectTime = revocation.form === 'session' ? revocation.effectTime : undefined;
  const holdsFrom = date(Math.max(revocation.revokeTime, effectTime ?? revocation.revokeTime));
  return expiryOfRevocation(sql`${holdsFrom}::timestamptz`, atLeast);
}

function unanswered(): never {
  throw new Error('the database answered without the row that it always has');
}
