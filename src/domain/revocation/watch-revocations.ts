// Streams revocations to a gateway: first all that is live or what it missed, then each change, and heartbeats which prove that nothing is held back.

import { PAGE_ROWS } from '../../revocation-table/revocation-table.ts';
import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import { nextTurn } from '../next-turn.ts';
import { ChangeQueue } from './change-queue.ts';
import type { RevocationIndex } from './revocation-index.ts';
import type { RevocationCursor, RevocationPage, RevocationStore } from './revocation-store.ts';
import type { Revocation } from './revocation.ts';
import type { WatchCursor } from './watch-cursor.ts';

export type WatchDeps = {
  readonly revocationIndex: Pick<
    RevocationIndex,
    'subscribe' | 'livePages' | 'cursor' | 'ageMs' | 'requireFresh'
  >;
  readonly revocations: Pick<RevocationStore, 'since'>;
  readonly clock: Clock;
};

export type WatchInput = {
  /** Where the watcher was; undefined for the beginning. */
  readonly cursor: WatchCursor | undefined;
  /** Ends the watch. */
  readonly signal: AbortSignal;
};

/** One message to a watcher. Equal `revocations` of a snapshot are the same array for all watchers who start at about the same time. A `cursor` is where it may resume once it has applied everything up to there. */
export type WatchMessage =
  | { readonly kind: 'snapshot'; readonly revocations: readonly Revocation[] }
  | { readonly kind: 'snapshot_end'; readonly cursor: WatchCursor | undefined }
  | {
      readonly kind: 'events';
      readonly revocations: readonly Revocation[];
      readonly cursor: WatchCursor | undefined;
    }
  | ({ readonly kind: 'heartbeat' } & Moment);

/** What this node knew when: `ageMs` before `time` at the latest. */
type Moment = { readonly time: number; readonly ageMs: number; readonly cursor: WatchCursor | undefined };

/** How often a watcher is sent a heartbeat. */
export const HEARTBEAT_MS = 1_000;
/** How many revocations one message holds: it stays below the smallest limit of a message's size, as JSON too. */
export const MAX_PER_MESSAGE = PAGE_ROWS;
/** An older cursor is answered by everything live, which costs the database nothing. */
export const MAX_CURSOR_AGE_MS = 10 * 60_000;

/**
 * Sends messages until `signal` aborts. Whoever applies everything in order knows at each heartbeat all that this node knew at its time. Errors:
 * REVOCATIONS_STALE when this node cannot know, OVERLOADED when the watcher reads too slowly.
 */
export async function* watchRevocations(
  deps: WatchDeps,
  { cursor, signal }: WatchInput,
): AsyncGenerator<WatchMessage, void, undefined> {
  const queue = new ChangeQueue();
  // Before anything is read: what comes from now on waits in the queue, what came before is in the index and in the database.
  const unsubscribe = deps.revocationIndex.subscribe((changes) => queue.push(changes));
  const pulse = new Pulse(queue);
  const wake = () => queue.wake();
  signal.addEventListener('abort', wake);
  try {
    deps.revocationIndex.requireFresh();
    const missed = await missedSince(deps, cursor);
    const known = missed === undefined ? snapshotOf(deps, signal) : eventsOf(deps, missed);
    for await (const message of known) {
      yield message;
      // A long beginning must not overflow the queue. There is no cursor yet: what is known has not all been sent.
      while (queue.size >= MAX_PER_MESSAGE)
        yield { kind: 'events', revocations: queue.take(MAX_PER_MESSAGE), cursor: undefined };
    }
    while (!signal.aborted) {
      yield* changesIn(deps, queue, pulse);
      if (!signal.aborted && queue.isEmpty && !pulse.isDue) await queue.wait();
    }
  } finally {
    unsubscribe();
    pulse.stop();
    signal.removeEventListener('abort', wake);
  }
}

/** Says when the next heartbeat is due, and wakes the reader for it. */
class Pulse {
  isDue = true;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(queue: ChangeQueue) {
    this.#timer = setInterval(() => {
      this.isDue = true;
      queue.wake();
    }, HEARTBEAT_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

type Missed = { readonly position: RevocationCursor; readonly first: RevocationPage };

/** What was committed since `cursor`; undefined where everything live is the better answer. */
async function missedSince(deps: WatchDeps, cursor: WatchCursor | undefined): Promise<Missed | undefined> {
  if (cursor === undefined || Math.abs(deps.clock.now() - cursor.time) > MAX_CURSOR_AGE_MS) return undefined;
  try {
    return { position: cursor.position, first: await deps.revocations.since(cursor.position) };
  } catch (error) {
    // The index knows it all as well, as long as it is fresh.
    if (error instanceof DomainError && error.reason === 'STORAGE_UNAVAILABLE') return undefined;
    throw error;
  }
}

// Other work of this node comes between two pages, however quickly they are read.
async function* snapshotOf(
  { revocationIndex }: WatchDeps,
  signal: AbortSignal,
): AsyncGenerator<WatchMessage, void, undefined> {
  const { cursor } = revocationIndex;
  for (const revocations of revocationIndex.livePages()) {
    if (revocations.length > 0) yield { kind: 'snapshot', revocations };
    if (signal.aborted) return;
    await nextTurn();
  }
  yield { kind: 'snapshot_end', cursor };
}

// The pages are read as quickly as the watcher takes them. The cursor stands behind the last.
async function* eventsOf(
  deps: WatchDeps,
  { position, first }: Missed,
): AsyncGenerator<WatchMessage, void, undefined> {
  const reached = { position: first.cursor, time: deps.clock.now() };
  for (let page = first; ; page = await deps.revocations.since(position, page.next)) {
    for (let start = 0; start < page.revocations.length; start += MAX_PER_MESSAGE) {
      const revocations = page.revocations.slice(start, start + MAX_PER_MESSAGE);
      const isLast = page.next === undefined && start + MAX_PER_MESSAGE >= page.revocations.length;
      yield { kind: 'events', revocations, cursor: isLast ? reached : undefined };
    }
    if (page.next === undefined) return;
  }
}

function* changesIn(
  deps: WatchDeps,
  queue: ChangeQueue,
  pulse: Pulse,
): Generator<WatchMessage, void, undefined> {
  deps.revocationIndex.requireFresh();
  const revocations = queue.take(MAX_PER_MESSAGE);
  // What is known now stands before whatever follows only when nothing of it is left waiting.
  const moment = queue.isEmpty ? momentOf(deps) : undefined;
  if (revocations.length > 0) yield { kind: 'events', revocations, cursor: moment?.cursor };
  if (moment === undefined || !pulse.isDue) return;
  pulse.isDue = false;
  yield { kind: 'heartbeat', ...moment };
}

function momentOf({ revocationIndex, clock }: WatchDeps): Moment {
  return { time: clock.now(), ageMs: revocationIndex.ageMs, cursor: revocationIndex.cursor };
}
