// The queue of the audit log and the chain of its seals, in Postgres.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { LostEvent, SealingQueue, SealingStore } from '../../../domain/audit/seal-events.ts';
import type { ChainHead, EventRecord } from '../../../domain/audit/seal.ts';
import { CHAIN_START } from '../../../domain/audit/seal.ts';
import type { Tables } from '../rows.ts';
import { recordColumns, utc } from '../audit/audit-records.ts';

/** The name under which sealers take turns. */
const SEALING_LOCK = 0x1a7c_4e21;

type TakenRow = { readonly queued_id: string; readonly queued_time: string } & (
  | EventRecord
  | { readonly id: null }
);

/** The look over a connection. */
export function sealingQueue(tables: Kysely<Tables>): SealingQueue {
  return {
    async isEmpty() {
      const { rows } = await sql<{
        readonly waits: boolean;
      }>`select exists (select from audit_queue) as waits`.execute(tables);
      return rows[0]?.waits !== true;
    },
  };
}

/** The store over a transaction. */
export function sealingStore(tables: Kysely<Tables>): SealingStore {
  return {
    async tryLock() {
      const { rows } = await sql<{
        readonly locked: boolean;
      }>`select pg_try_advisory_xact_lock(${SEALING_LOCK}) as locked`.execute(tables);
      return rows[0]?.locked === true;
    },

    async take(limit) {
      const { rows } = await sql<TakenRow>`
        with taken as materialized (
          delete from audit_queue where ctid = any (array(select ctid from audit_queue limit ${limit}))
          returning event_time, event_id)
        select ${utc(sql`q.event_time`)} as queued_time, q.event_id as queued_id, e.*
        from (select distinct event_time, event_id from taken) q
        left join lateral (
          select ${recordColumns} from audit_events a where a.time = q.event_time and a.id = q.event_id offset 0) e on true
        order by q.event_time, q.event_id`.execute(tables);
      const events: EventRecord[] = [];
      const lost: LostEvent[] = [];
      for (const { queued_id: id, queued_time: time, ...row } of rows) {
        if (row.id === null) lost.push({ id, time });
        else events.push(row);
      }
      return { events, lost };
    },

    head: () => chainHead(tables),

    async append(seal) {
      await sql`
        insert into audit_seals (first_number, event_count, event_ids, event_times, digests, previous_hash, hash, seal_time, reach)
        values (${seal.firstNumber}, ${seal.ids.length}, ${[...seal.ids]}::uuid[], ${[...seal.times]}::timestamptz[],
          ${Buffer.from(seal.digests)}, ${Buffer.from(seal.previousHash)}, ${Buffer.from(seal.hash)}, ${seal.sealTime}::timestamptz,
          greatest(${seal.times.at(-1)}::timestamptz, (select reach from audit_seals order by first_number desc limit 1)))`.execute(
        tables,
      );
    },

    async count(events) {
      const columns = [
        events.map(({ time }) => time),
        events.map(({ kind }) => kind),
        events.map(({ outcome }) => outcome),
      ];
      const [times, kinds, outcomes] = columns;
      await sql`
        insert into audit_counts as c (hour, kind, outcome, events)
        select date_trunc('hour', time at time zone 'UTC') at time zone 'UTC', kind, outcome, count(*)
        from unnest(${times}::timestamptz[], ${kinds}::text[], ${outcomes}::text[]) as sealed (time, kind, outcome)
        group by 1, 2, 3
        on conflict (hour, kind, outcome) do update set events = c.events + excluded.events`.execute(tables);
    },
  };
}

/** The end of the chain: the last seal's, or what was noted when it was retired. */
export async function chainHead(tables: Kysely<Tables>): Promise<ChainHead> {
  const { rows } = await sql<{ readonly number: string; readonly hash: Uint8Array }>`
    (select first_number + event_count - 1 as number, hash from audit_seals order by first_number desc limit 1)
    union all
    (select last_number, last_hash from audit_retirements order by last_number desc limit 1)
    limit 1`.execute(tables);
  const [row] = rows;
  return row === undefined ? CHAIN_START : { number: Number(row.number), hash: new Uint8Array(row.hash) };
}
