// The events that were sealed last, as one node caches them for all watchers: a bounded number, however slowly they read.

import type { SealedEvent } from './audit-trail.ts';

/** How many events are kept. */
export const MAX_RECENT = 2_000;

/** Every event behind one number, up to the newest that is known. */
export class RecentEvents {
  #events: SealedEvent[] = [];
  /** Every known event behind this number is kept. */
  #after: number;
  #newest: number;

  /** Nothing is kept of what was sealed up to the number `head`. */
  constructor(head: number) {
    this.#after = head;
    this.#newest = head;
  }

  /** The number of the newest event that is known. */
  get newest(): number {
    return this.#newest;
  }

  /** Adds what was sealed next, in order; the oldest leave. */
  push(events: readonly SealedEvent[]): void {
    if (events.length === 0) return;
    const all = [...this.#events, ...events];
    const leaving = all.slice(0, Math.max(0, all.length - MAX_RECENT));
    this.#after = leaving.at(-1)?.number ?? this.#after;
    this.#newest = events.at(-1)?.number ?? this.#newest;
    this.#events = all.slice(leaving.length);
  }

  /** At most `limit` of those behind the number `after`, in order; undefined when some of them have left. */
  read(after: number, limit: number): readonly SealedEvent[] | undefined {
    if (after < this.#after) return undefined;
    // From the end: who keeps up has few to read.
    const start = this.#events.findLastIndex(({ number }) => number <= after) + 1;
    return this.#events.slice(start, start + limit);
  }
}
