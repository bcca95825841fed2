// Audit events in Postgres.

import type { Kysely, Selectable } from 'kysely';
import { sql } from 'kysely';
import type { AuditLog } from '../../domain/audit/audit-event.ts';
import type { SecurityEvent, SecurityEventReader } from '../../domain/audit/security-events.ts';
import { date, time } from './row-values.ts';
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

/** The reader over a connection. */
export function securityEventReader(tables: Kysely<Tables>): SecurityEventReader {
  return {
    async list({ ownerId, before, limit }) {
      const own = tables.selectFrom('audit_events').selectAll().where('account_id', '=', ownerId);
      const page =
        before === undefined
          ? own
          : own.where(sql<boolean>`(time, id) < (${date(before.createTime)}, ${before.id}::uuid)`);
      const rows = await page.orderBy('time', 'desc').orderBy('id', 'desc').limit(limit).execute();
      return rows.map(toSecurityEvent);
    },
  };
}

function toSecurityEvent(row: Selectable<Tables['audit_events']>): SecurityEvent {
  return {
    id: row.id,
    time: time(row.time),
    kind: row.kind,
    outcome: row.outcome === 'success' ? 'success' : 'refused',
    reason: row.reason ?? undefined,
    actorId: row.actor_id ?? undefined,
    targetId: row.target_id ?? undefined,
    origin: { ipAddress: row.ip_address, userAgent: row.user_agent, requestId: row.request_id },
  };
}
