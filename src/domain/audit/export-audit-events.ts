// The audit log as it leaves for an archive or another system: oldest first, each event with its number in the chain of seals.

import type { PagePosition } from '../paging.ts';
import type { AuditFilter } from './audit-filter.ts';
import type { AuditSearcher } from './list-audit-events.ts';
import type { StoredAuditEvent } from './stored-event.ts';

/** How many events are read at once. */
export const EXPORT_PAGE = 2_000;

/** Port: what number each event has. */
export type AuditNumbers = {
  /** The numbers by the events' ids; events that are not sealed have none. */
  of(events: ReadonlyArray<Pick<StoredAuditEvent, 'id' | 'time'>>): Promise<ReadonlyMap<string, number>>;
};

export type ExportAuditEventsDeps = {
  readonly auditSearcher: AuditSearcher;
  readonly auditNumbers: AuditNumbers;
};

/** An event with its number; undefined while it is not sealed. */
export type NumberedEvent = { readonly number: number | undefined; readonly event: StoredAuditEvent };

/** The events that match, oldest first, page by page: no more than one is in memory. Errors: STORAGE_UNAVAILABLE. */
export async function* exportAuditEvents(
  deps: ExportAuditEventsDeps,
  filter: AuditFilter,
): AsyncGenerator<readonly NumberedEvent[], void, undefined> {
  let behind: PagePosition | undefined;
  do {
    const { events, reached } = await deps.auditSearcher.search({
      filter,
      order: 'oldest_first',
      behind,
      limit: EXPORT_PAGE,
      looks: EXPORT_PAGE,
    });
    const numbers = events.length === 0 ? new Map<string, number>() : await deps.auditNumbers.of(events);
    yield events.map((event) => ({ number: numbers.get(event.id), event }));
    behind = reached;
  } while (behind !== undefined);
}
