// The sealed events in the order of their numbers: what an export and a live stream follow.

import type { StoredAuditEvent } from './stored-event.ts';

/** An event with its number; numbers are given when events are sealed, 1, 2, 3 and so on, without gaps. */
export type SealedEvent = { readonly number: number; readonly event: StoredAuditEvent };

/** Port: follows the sealed events. */
export type AuditTrail = {
  /** The number of the last sealed event, 0 before the first. */
  head(): Promise<number>;
  /** At most `limit` of those behind the number `after`, in order; those that retention deleted are left out. */
  read(after: number, limit: number): Promise<readonly SealedEvent[]>;
};
