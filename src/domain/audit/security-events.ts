// What happened to an account, as its owner may see it.

import type { PagePosition, PageQuery } from '../paging.ts';
import { pageOf } from '../paging.ts';
import type { CallOrigin } from './audit-event.ts';
import type { StoredAuditEvent } from './stored-event.ts';

/** An audit event of the account, as far as its owner may read it. */
export type SecurityEvent = Omit<StoredAuditEvent, 'accountId' | 'details'>;

/** Port: reads the audit log by account. */
export type SecurityEventReader = {
  /** Newest first, by time. */
  list(query: PageQuery): Promise<readonly SecurityEvent[]>;
};

export type ListSecurityEventsDeps = { readonly securityEvents: SecurityEventReader };

export type ListSecurityEventsInput = {
  readonly ownerId: string;
  readonly pageSize: number;
  readonly before: PagePosition | undefined;
};

/**
 * A page of what happened to the account, and where the next one begins (undefined on the last). Where another person acted, an administrator
 * say, from where is none of the owner's business. Errors: STORAGE_UNAVAILABLE.
 */
export async function listSecurityEvents(
  deps: ListSecurityEventsDeps,
  { ownerId, pageSize, before }: ListSecurityEventsInput,
) {
  const found = await deps.securityEvents.list({ ownerId, before, limit: pageSize + 1 });
  const { items, next } = pageOf(found, pageSize, ({ time, id }) => ({ createTime: time, id }));
  return { events: items.map((event) => withoutForeignOrigin(event, ownerId)), next };
}

/** The event without its origin where another person acted: the owner may not learn it. */
export function withoutForeignOrigin<
  Event extends { readonly actorId?: string | undefined; readonly origin: CallOrigin },
>(event: Event, ownerId: string): Event {
  if (event.actorId === undefined || event.actorId === ownerId) return event;
  return { ...event, origin: { ...event.origin, ipAddress: '', userAgent: '' } };
}
