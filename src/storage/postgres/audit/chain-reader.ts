// Reads the sealed audit log as a whole, from one snapshot.

import type { Kysely, RawBuilder } from 'kysely';
import { sql } from 'kysely';
import type { ChainReader, Found, StoredSeal } from '../../../domain/audit/verify-chain.ts';
import type { EventRecord } from '../../../domain/audit/seal.ts';
import { recordColumns, utc } from './audit-records.ts';
import type { Tables } from '../rows.ts';

/** How many seals are read at once; each has a thousand events at most. */
const SEALS_AT_ONCE = 20;

type SealRow = {
  readonly number: string;
  readonly count: number;
  readonly ids: readonly string[];
  readonly times: readonly string[];
  readonly digests: Uint8Array;
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
  readonly time: string;
};
type RetirementRow = {
  readonly horizon: string;
  readonly number: string;
  readonly hash: Uint8Array;
  readonly is_recorded: boolean;
};
type FoundRow = { readonly id: string; readonly time: string; readonly total: number };
type ReadRow = { readonly position: number } & (EventRecord | { readonly id: null });

/** What every seal names. */
const SEALED = sql`(audit_seals s cross join lateral unnest(s.event_times, s.event_ids) as u (event_time, event_id))`;

/** Runs `work` over the log as it stands now; sealing goes on meanwhile. */
export function readChain<Result>(
  tables: Kysely<Tables>,
  work: (chain: ChainReader) => Promise<Result>,
): Promise<Result> {
  return tables
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute((snapshot) => work(chainReader(snapshot)));
}

/** The reader over a transaction, for which `readChain` chose the snapshot. */
export function chainReader(tables: Kysely<Tables>): ChainReader {
  return {
    async retirement() {
      const { rows } = await sql<RetirementRow>`
        select ${utc(sql`r.horizon`)} as horizon, r.last_number as number, r.last_hash as hash,
          exists (select from audit_events a where a.kind = 'audit.retire' and a.outcome = 'success' and a.time = r.retire_time
            and a.details ->> 'horizon' = ${utc(sql`r.horizon`)} and a.details ->> 'lastNumber' = r.last_number::text
            and a.details ->> 'lastHash' = encode(r.last_hash, 'hex')) as is_recorded
        from audit_retirements r order by r.horizon desc, r.last_number desc limit 1`.execute(tables);
      const [row] = rows;
      if (row === undefined) return undefined;
      const last = { number: Number(row.number), hash: new Uint8Array(row.hash) };
      return { horizon: row.horizon, last, isRecorded: row.is_recorded };
    },

    async seals(after) {
      const { rows } = await sql<SealRow>`
        select first_number as number, event_count as count, event_ids as ids, digests, previous_hash as previous, hash,
          array(select ${utc(sql`t`)} from unnest(event_times) with ordinality as e (t, position) order by position) as times,
          ${utc(sql`seal_time`)} as time
        from audit_seals where first_number > ${after} order by first_number limit ${SEALS_AT_ONCE}`.execute(
        tables,
      );
      return rows.map(toSeal);
    },

    async events({ firstNumber, ids }) {
      const { rows } = await sql<ReadRow>`
        select u.position::int as position, e.*
        from audit_seals s
        cross join lateral unnest(s.event_times, s.event_ids) with ordinality as u (event_time, event_id, position)
        cross join lateral (
          select ${recordColumns} from audit_events a where a.time = u.event_time and a.id = u.event_id offset 0) e
        where s.first_number = ${firstNumber}`.execute(tables);
      const events: Array<EventRecord | undefined> = ids.map(() => undefined);
      for (const { position, ...row } of rows) if (row.id !== null) events[position - 1] = row;
      return events;
    },

    neverSealed: (limit) =>
      find(
        tables,
        sql`
        select a.id, a.time from audit_events a
        where not exists (select from ${SEALED} where u.event_time = a.time and u.event_id = a.id)
          and not exists (select from audit_queue q where q.event_time = a.time and q.event_id = a.id)`,
        limit,
      ),

    sealedTwice: (limit) =>
      find(
        tables,
        sql`select u.event_id as id, u.event_time as time from ${SEALED} group by u.event_time, u.event_id having count(*) > 1`,
        limit,
      ),

    queuedAndGone: (limit) =>
      find(
        tables,
        sql`
        select q.event_id as id, q.event_time as time from audit_queue q
        where not exists (select from audit_events a where a.time = q.event_time and a.id = q.event_id)`,
        limit,
      ),

    async queued() {
      const { rows } = await sql<{
        readonly count: string;
      }>`select count(*) as count from audit_queue`.execute(tables);
      return Number(rows[0]?.count ?? 0);
    },
  };
}

// The planner knows not how many events a seal names: it must not look at all seals once for each event.
async function find(tables: Kysely<Tables>, query: RawBuilder<unknown>, limit: number): Promise<Found> {
  await sql`set local enable_nestloop = off`.execute(tables);
  const { rows } = await sql<FoundRow>`
    select id, ${utc(sql`time`)} as time, total from (select f.*, count(*) over ()::int as total from (${query}) f) g
    order by g.time, g.id limit ${limit}`.execute(tables);
  await sql`set local enable_nestloop = on`.execute(tables);
  return { events: rows.map(({ id, time }) => ({ id, time })), total: rows[0]?.total ?? 0 };
}

function toSeal(row: SealRow): StoredSeal {
  return {
    firstNumber: Number(row.number),
    eventCount: row.count,
    ids: row.ids,
    times: row.times,
    digests: new Uint8Array(row.digests),
    previousHash: new Uint8Array(row.previous),
    hash: new Uint8Array(row.hash),
    sealTime: row.time,
  };
}
