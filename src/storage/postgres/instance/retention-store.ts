// The months of the audit log in Postgres, by the functions that its owner made: the service itself may change none of it.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { RetentionStore } from '../../../domain/audit/retention.ts';
import { date, optionalTime } from '../row-values.ts';
import type { Tables } from '../rows.ts';

/** The name under which nodes take turns. */
const RETENTION_LOCK = 0x1a7c_4e22;

/** The store over a transaction. */
export function retentionStore(tables: Kysely<Tables>): RetentionStore {
  return {
    async tryLock() {
      const { rows } = await sql<{
        readonly locked: boolean;
      }>`select pg_try_advisory_xact_lock(${RETENTION_LOCK}) as locked`.execute(tables);
      return rows[0]?.locked === true;
    },

    async extend(until) {
      await sql`select audit_extend(${date(until)})`.execute(tables);
    },

    async retire(before, eventId) {
      const { rows } = await sql<{ readonly horizon: string | null }>`
        select audit_retire(${date(before)}, ${eventId}) as horizon`.execute(tables);
      return optionalTime(rows[0]?.horizon ?? null);
    },
  };
}
