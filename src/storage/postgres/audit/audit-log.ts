// Audit events in Postgres.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { AuditEvent, AuditLog } from '../../../domain/audit/audit-event.ts';
import type { SecurityEventReader } from '../../../domain/audit/security-events.ts';
import { toStoredEvent } from './audit-trail-store.ts';
import { date } from '../row-values.ts';
import type { Tables } from '../rows.ts';
import type { RunStatement, Statement } from '../statement.ts';

// The event and its place in the queue at once; an event that is there already is not queued again.
const APPEND: Statement<never> = {
  name: 'audit_append',
  text: 'select audit_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)',
};

/** The log over a connection or a transaction. */
export function auditLog(run: RunStatement): AuditLog {
  return {
    async append(event) {
      await run(APPEND, eventParameters(event));
    },
  };
}

/** The columns of an event, in the order of the function audit_append of the database. */
export function eventParameters(event: AuditEvent): unknown[] {
  const { origin, details } = event;
  return [
    event.id,
    date(event.time),
    event.kind,
    event.outcome,
    event.reason ?? null,
    event.accountId ?? null,
    event.actorId ?? null,
    event.targetId ?? null,
    origin.ipAddress,
    origin.userAgent,
    origin.requestId,
    details === undefined ? null : JSON.stringify(details),
  ];
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
      return rows.map(toStoredEvent).map(({ accountId: _accountId, details: _details, ...event }) => event);
    },
  };
}
