// Audit events as the seals see them: every column, as text that neither the driver nor the session's time zone changes.

import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';

/** A timestamptz in UTC, to the microsecond. */
export function utc(expression: RawBuilder<unknown>): RawBuilder<string> {
  return sql`to_char(${expression} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** The columns of an EventRecord, of audit_events called `a`. */
export const recordColumns: RawBuilder<unknown> = sql`
  a.id, ${utc(sql`a.time`)} as time, a.kind, a.outcome, a.reason, a.account_id as "accountId", a.actor_id as "actorId",
  a.target_id as "targetId", a.ip_address as "ipAddress", a.user_agent as "userAgent", a.request_id as "requestId",
  a.details::text as details`;
