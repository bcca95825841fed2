// Which audit events a caller asks for.

import type { StoredAuditEvent } from './stored-event.ts';

/** How many kinds a filter names at most. */
export const MAX_KINDS = 20;

/** A whole kind like `session.login`, or a concept like `session.*`. */
export const KIND_PATTERN = /^[a-z_]{1,50}\.(?:[a-z_]{1,50}|\*)$/;

/** An event must match every field that is set. Times are epoch milliseconds. */
export type AuditFilter = {
  /** From this time on. */
  readonly startTime: number | undefined;
  /** Before this time. */
  readonly endTime: number | undefined;
  /** Any of these; all when empty. */
  readonly kinds: readonly string[];
  readonly outcome: StoredAuditEvent['outcome'] | undefined;
  readonly actorId: string | undefined;
  readonly targetId: string | undefined;
  readonly accountId: string | undefined;
  readonly requestId: string | undefined;
};

/** The filter that every event matches. */
export const EVERY_EVENT: AuditFilter = {
  startTime: undefined,
  endTime: undefined,
  kinds: [],
  outcome: undefined,
  actorId: undefined,
  targetId: undefined,
  accountId: undefined,
  requestId: undefined,
};

/** Whether `kind` is the pattern, or of its concept. */
export function isOfKind(kind: string, pattern: string): boolean {
  return pattern.endsWith('.*') ? kind.startsWith(pattern.slice(0, -1)) : kind === pattern;
}

/** Whether the event matches every field that is set. */
export function matches(filter: AuditFilter, event: StoredAuditEvent): boolean {
  const { startTime = -Infinity, endTime = Infinity, kinds, outcome } = filter;
  return (
    event.time >= startTime &&
    event.time < endTime &&
    (kinds.length === 0 || kinds.some((pattern) => isOfKind(event.kind, pattern))) &&
    (outcome === undefined || event.outcome === outcome) &&
    isSame(filter.actorId, event.actorId) &&
    isSame(filter.targetId, event.targetId) &&
    isSame(filter.accountId, event.accountId) &&
    isSame(filter.requestId, event.origin.requestId)
  );
}

function isSame(asked: string | undefined, found: string | undefined): boolean {
  return asked === undefined || asked === found;
}
