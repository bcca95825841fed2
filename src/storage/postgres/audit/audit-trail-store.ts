// The sealed events in Postgres, by their numbers.

import type { Kysely, RawBuilder, Selectable } from 'kysely';
import { sql } from 'kysely';
import type { AuditTrail, SealedEvent } from '../../../domain/audit/audit-trail.ts';
import type { StoredAuditEvent } from '../../../domain/audit/stored-event.ts';
import { time } from '../row-values.ts';
import type { Tables } from '../rows.ts';
import { chainHead } from '../instance/sealing-store.ts';

type EventRow = Selectable<Tables['audit_events']>;

/** The trail over a connection. */
export function auditTrail(tables: Kysely<Tables>): AuditTrail {
  return {
    head: async () => (await chainHead(tables)).number,

    async read(after, limit) {
      // Asked before anything is read: of what is sealed meanwhile nothing is taken for retired and passed over.
      const { number: head } = await chainHead(tables);
      let from: number | undefined = after;
      while (from !== undefined && from < head) {
        // Numbers have no gaps: so many numbers on are so many events, but for those that were retired, of which a window may be full.
        const last: number = Math.min(from + limit, head);
        const events = await readWindow(tables, from, last);
        if (events.length > 0) return events;
        from = await beforeNextNumber(tables, last);
      }
      return [];
    },
  };
}

async function readWindow(tables: Kysely<Tables>, after: number, last: number) {
  const { rows } = await sql<EventRow & { readonly number: string }>`
    select s.first_number + u.position - 1 as number, e.*
    from audit_seals s
    cross join lateral unnest(s.event_times, s.event_ids) with ordinality as u (event_time, event_id, position)
    cross join lateral (select * from audit_events a where a.time = u.event_time and a.id = u.event_id offset 0) e
    where s.first_number <= ${last} and s.first_number >= ${sealOf(after + 1)}
      and s.first_number + u.position - 1 > ${after} and s.first_number + u.position - 1 <= ${last}
    order by number`.execute(tables);
  return rows.map((row): SealedEvent => ({ number: Number(row.number), event: toStoredEvent(row) }));
}

/** Behind what the next number stands that a seal still has behind `last`; undefined when there is none. */
async function beforeNextNumber(tables: Kysely<Tables>, last: number): Promise<number | undefined> {
  const { rows } = await sql<{ readonly before: string }>`
    select greatest(first_number - 1, ${last}::bigint) as before from audit_seals
    where first_number >= ${sealOf(last + 1)} and first_number + event_count - 1 > ${last}
    order by first_number limit 1`.execute(tables);
  const [row] = rows;
  return row === undefined ? undefined : Number(row.before);
}

/** The first number of the seal that may have this number, found by the index alone; the number itself when it was retired. */
function sealOf(number: number): RawBuilder<number> {
  return sql`coalesce((select max(first_number) from audit_seals where first_number <= ${number}::bigint), ${number}::bigint)`;
}

/** The event of a row. */
export function toStoredEvent(row: EventRow): StoredAuditEvent {
  return {
    id: row.id,
    time: time(row.time),
    kind: row.kind,
    outcome: row.outcome === 'success' ? 'success' : 'refused',
    reason: row.reason ?? undefined,
    actorId: row.actor_id ?? undefined,
    targetId: row.target_id ?? undefined,
    accountId: row.account_id ?? undefined,
    origin: { ipAddress: row.ip_address, userAgent: row.user_agent, requestId: row.request_id },
    details: row.details ?? undefined,
  };
}
