// Searches the audit log: newest first, a page at a time, with a bounded number of queries for each page.

import type { Clock } from '../clock.ts';
import type { PagePosition } from '../paging.ts';
import { pageOf } from '../paging.ts';
import type { AuditFilter } from './audit-filter.ts';
import type { StoredAuditEvent } from './stored-event.ts';

/** How many events that may not match are looked at in one step. */
export const LOOKS_PER_STEP = 2_000;
/** How many steps one page takes at most. */
export const STEPS_PER_PAGE = 20;
/** No step begins later than so long after the first. */
export const PAGE_MS = 1_000;

/** One bounded look into the log. */
export type AuditSearch = {
  readonly filter: AuditFilter;
  readonly order: 'newest_first' | 'oldest_first';
  /** Strictly behind this event in that order; undefined for the beginning. */
  readonly behind: PagePosition | undefined;
  /** How many matching events at most. */
  readonly limit: number;
  /** How many events are looked at, at most; at least `limit`. */
  readonly looks: number;
};

/** What one look found. */
export type AuditFinding = {
  readonly events: readonly StoredAuditEvent[];
  /** The last event that was looked at, where the next look begins; undefined when there is none behind it. */
  readonly reached: PagePosition | undefined;
};

/** Port: searches the log. */
export type AuditSearcher = {
  /** The next events that match. None twice and none left out over looks that follow each other. */
  search(search: AuditSearch): Promise<AuditFinding>;
};

export type ListAuditEventsDeps = { readonly auditSearcher: AuditSearcher; readonly clock: Clock };

export type ListAuditEventsInput = {
  readonly filter: AuditFilter;
  readonly pageSize: number;
  readonly before: PagePosition | undefined;
};

/**
 * A page of the events that match, newest first, and where the next one begins (undefined on the last). Where matching events lie far apart
 * the page may be short or empty and still not be the last (AIP-158). Errors: STORAGE_UNAVAILABLE.
 */
export async function listAuditEvents(
  deps: ListAuditEventsDeps,
  { filter, pageSize, before }: ListAuditEventsInput,
): Promise<{ readonly events: readonly StoredAuditEvent[]; readonly next: PagePosition | undefined }> {
  const found: StoredAuditEvent[] = [];
  const startTime = deps.clock.now();
  let behind = before;
  for (let step = 0; step < STEPS_PER_PAGE; step += 1) {
    const limit = pageSize + 1 - found.length;
    const finding = await deps.auditSearcher.search({
      filter,
      order: 'newest_first',
      behind,
      limit,
      looks: Math.max(limit, LOOKS_PER_STEP),
    });
    found.push(...finding.events);
    behind = finding.reached;
    const isTimeUp = deps.clock.now() - startTime >= PAGE_MS;
    if (found.length > pageSize || behind === undefined || isTimeUp) break;
  }
  const { items, next } = pageOf(found, pageSize, positionOf);
  return { events: items, next: next ?? behind };
}

/** Where the event stands in the log. */
export function positionOf({ time, id }: Pick<StoredAuditEvent, 'time' | 'id'>): PagePosition {
  return { createTime: time, id };
}
