// The rows of the audit log, of what waits to be sealed, of the seals, and of what is counted of them.

import { defineEntity, p } from '@mikro-orm/core';

export const AuditEventRow = defineEntity({
  name: 'AuditEventRow',
  tableName: 'audit_events',
  properties: {
    id: p.uuid().primary(),
    time: p.datetime().primary(),
    kind: p.text(),
    outcome: p.text(),
    reason: p.text().nullable(),
    account_id: p.uuid().nullable(),
    actor_id: p.text().nullable(),
    target_id: p.text().nullable(),
    ip_address: p.text(),
    user_agent: p.text(),
    request_id: p.text(),
    details: p.json<Record<string, string>>().nullable(),
  },
});

export const AuditQueueRow = defineEntity({
  name: 'AuditQueueRow',
  tableName: 'audit_queue',
  properties: { event_time: p.datetime().primary(), event_id: p.uuid().primary() },
});

export const AuditSealRow = defineEntity({
  name: 'AuditSealRow',
  tableName: 'audit_seals',
  properties: {
    first_number: p.bigint('string').primary(),
    event_count: p.integer(),
    event_ids: p.array(),
    event_times: p.array(),
    digests: p.blob(),
    previous_hash: p.blob(),
    hash: p.blob(),
    seal_time: p.datetime(),
    reach: p.datetime(),
  },
});

export const AuditRetirementRow = defineEntity({
  name: 'AuditRetirementRow',
  tableName: 'audit_retirements',
  properties: {
    retire_time: p.datetime().primary(),
    horizon: p.datetime(),
    last_number: p.bigint('string'),
    last_hash: p.blob(),
  },
});

export const AuditCountRow = defineEntity({
  name: 'AuditCountRow',
  tableName: 'audit_counts',
  properties: {
    hour: p.datetime().primary(),
    kind: p.text().primary(),
    outcome: p.text().primary(),
    events: p.bigint('string'),
  },
});
