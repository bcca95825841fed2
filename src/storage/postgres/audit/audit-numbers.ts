// The numbers of audit events, which stand in the seals.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { AuditNumbers } from '../../../domain/audit/export-audit-events.ts';
import { date } from '../row-values.ts';
import type { Tables } from '../rows.ts';

const MINUTE_MS = 60_000;
/** How far from the time of an event its seal is looked for: nearly always the first is enough. */
const DISTANCES_MS = [MINUTE_MS, 60 * MINUTE_MS, 24 * 60 * MINUTE_MS];

/** The numbers over a connection. */
export function auditNumbers(tables: Kysely<Tables>): AuditNumbers {
  return {
    async of(events) {
      const times = events.map(({ time }) => time);
      const [oldest, newest] = [Math.min(...times), Math.max(...times)];
      const missing = new Set(events.map(({ id }) => id));
      // Before the seals: what leaves the queue meanwhile has a seal then.
      for (const id of await queued(tables, [...missing])) missing.delete(id);
      const numbers = new Map<string, number>();
      for (const distance of [...DISTANCES_MS, undefined]) {
        if (missing.size === 0) break;
        const near =
          distance === undefined
            ? sql<boolean>`true`
            : sql<boolean>`seal_time between ${date(oldest - distance)} and ${date(newest + distance)}`;
        for (const { id, number } of await sealed(tables, [...missing], near)) {
          numbers.set(id, Number(number));
          missing.delete(id);
        }
      }
      return numbers;
    },
  };
}

async function queued(tables: Kysely<Tables>, ids: readonly string[]): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select event_id as id from audit_queue join unnest(${[...ids]}::uuid[]) as wanted (id) on wanted.id = event_id`.execute(
    tables,
  );
  return rows.map(({ id }) => id);
}

async function sealed(tables: Kysely<Tables>, ids: readonly string[], near: ReturnType<typeof sql<boolean>>) {
  const { rows } = await sql<{ id: string; number: string }>`
    select wanted.id, first_number + place - 1 as number
    from audit_seals
    cross join lateral unnest(event_ids) with ordinality as sealed (event_id, place)
    join unnest(${[...ids]}::uuid[]) as wanted (id) on wanted.id = event_id
    where ${near}`.execute(tables);
  return rows;
}
