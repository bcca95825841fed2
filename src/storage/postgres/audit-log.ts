// Audit events in Postgres.

import type { Kysely } from 'kysely';
import type { AuditLog } from '../../domain/audit/audit-event.ts';
import { date } from './row-values.ts';
import type { Tables } from './rows.ts';

/** The log over a connection or a transaction. */
export function auditLog(tables: Kysely<Tables>): AuditLog {
  return {
    async append(event) {
      await tables
        .insertInto('audit_events')
        .values({
          id: event.id,
          time: date(event.time),
          kind: event.kind,
          outcome: event.outcome,
          reason: event.reason ?? null,
          account_id: event.accountId ?? null,
          actor_id: event.actorId ?? null,
          target_id: event.targetId ?? null,
          ip_address: event.origin.ipAddress,
          user_agent: event.origin.userAgent,
          request_id: event.origin.requestId,
          details: event.details === undefined ? null : { ...event.details },
        })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .execute();
    },
  };
}
