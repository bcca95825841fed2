// WatchAuditEvents: streams each event that matches once it is sealed, in the order of the trail, at the pace of the reader.

import type { DomainError } from '../errors.ts';
import { validationFailed } from '../errors.ts';
import type { AuditFilter } from './audit-filter.ts';
import { matches } from './audit-filter.ts';
import type { AuditTail } from './audit-tail.ts';
import type { StoredAuditEvent } from './stored-event.ts';

/** How long a watcher gets nothing at most: then it gets a heartbeat. */
export const AUDIT_HEARTBEAT_MS = 15_000;

export type WatchAuditEventsDeps = { readonly auditTail: Pick<AuditTail, 'follow'> };

export type WatchAuditEventsInput = {
  /** The number of the last event that was looked at; undefined to begin with what is sealed from now on. */
  readonly after: number | undefined;
  readonly filter: AuditFilter;
  /** Ends the watch. */
  readonly signal: AbortSignal;
};

/** One answer: the events that matched, and the number of the last that was looked at, where to go on after it. */
export type AuditUpdate = { readonly events: readonly StoredAuditEvent[]; readonly after: number };

/**
 * Streams until `signal` aborts; the first answer comes at once and says where the watch begins. What a slow reader has not read is read again from the database: it costs no
 * memory, however slow it is. Errors: VALIDATION_FAILED for a number that has not been given yet, STORAGE_UNAVAILABLE.
 */
export async function* watchAuditEvents(
  deps: WatchAuditEventsDeps,
  { after, filter, signal }: WatchAuditEventsInput,
): AsyncGenerator<AuditUpdate, void, undefined> {
  const follower = await deps.auditTail.follow();
  const pulse = new Pulse(() => follower.wake());
  const wake = () => follower.wake();
  signal.addEventListener('abort', wake);
  try {
    if (after !== undefined && after > follower.head) throw unknownCursor();
    let reached = after ?? follower.head;
    yield { events: [], after: reached };
    while (!signal.aborted) {
      const page = await follower.read(reached);
      reached = page.reached;
      const events = page.events.map(({ event }) => event).filter((event) => matches(filter, event));
      if (events.length > 0 || pulse.isDue) {
        pulse.begin();
        yield { events, after: reached };
      } else if (page.events.length === 0 && !signal.aborted) await follower.changed(reached);
    }
  } finally {
    pulse.stop();
    follower.leave();
    signal.removeEventListener('abort', wake);
  }
}

/** The refusal of a cursor that was never issued. */
export function unknownCursor(): DomainError {
  return validationFailed([{ field: 'cursor', description: 'must be a cursor that this stream gave' }]);
}

/** Notices when the watcher got nothing for AUDIT_HEARTBEAT_MS, and wakes it then. */
class Pulse {
  isDue = false;
  readonly #wake: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(wake: () => void) {
    this.#wake = wake;
    this.begin();
  }

  begin(): void {
    clearTimeout(this.#timer);
    this.isDue = false;
    this.#timer = setTimeout(() => {
      this.isDue = true;
      this.#wake();
    }, AUDIT_HEARTBEAT_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
