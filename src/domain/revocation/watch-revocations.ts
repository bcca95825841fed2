// Tells a gateway what is revoked: what is live or what it missed first, then news as they come, and a heartbeat that proves nothing is held back.

import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import { NewsQueue } from './news-queue.ts';
import type { RevocationIndex } from './revocation-index.ts';
import type { RevocationPage, RevocationStore } from './revocation-store.ts';
import type { Revocation } from './revocation.ts';
import type { WatchCursor } from './watch-cursor.ts';

export type WatchDeps = {
  readonly revocationIndex: Pick<RevocationIndex, 'subscribe' | 'live' | 'cursor' | 'ageMs' | 'requireFresh'>;
  readonly revocations: Pick<RevocationStore, 'since'>;
  readonly clock: Clock;
};

export type WatchInput = {
  /** Where the watcher was; undefined for the beginning. */
  readonly cursor: WatchCursor | undefined;
  /** Ends the watch. */
  readonly signal: AbortSignal;
};

/** One message to a watcher. A `cursor` is where it may resume once it has applied everything up to there. */
export type WatchNews =
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

/** How often a watcher hears that nothing is held back. */
export const HEARTBEAT_MS = 1_000;
/** How many revocations one message holds: it stays below the smallest limit of a message's size, as JSON too. */
export const MAX_PER_MESSAGE = 250;
/** An older cursor is answered by everything live, which costs the database nothing. */
export const MAX_CURSOR_AGE_MS = 10 * 60_000;

/**
 * Tells until `signal` aborts. Whoever applies everything in order knows at each heartbeat all that this node knew at its time. Errors:
 * REVOCATIONS_STALE when this node cannot know, OVERLOADED when the watcher reads too slowly.
 */
export async function* watchRevocations(
  deps: WatchDeps,
  { cursor, signal }: WatchInput,
): AsyncGenerator<WatchNews, void, undefined> {
  const queue = new NewsQueue();
  // Before anything is read: what comes from now on waits in the queue, what came before is in the index and in the database.
  const unsubscribe = deps.revocationIndex.subscribe((news) => queue.push(news));
  const pulse = new Pulse(queue);
  const wake = () => queue.wake();
  signal.addEventListener('abort', wake);
  try {
    deps.revocationIndex.requireFresh();
    const missed = await missedSince(deps, cursor);
    if (missed === undefined) yield* tellLive(deps);
    else yield* tellMissed(deps, missed);
    while (!signal.aborted) {
      yield* tellNews(deps, queue, pulse);
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

  constructor(queue: NewsQueue) {
    this.#timer = setInterval(() => {
      this.isDue = true;
      queue.wake();
    }, HEARTBEAT_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** What was committed since `cursor`; undefined where everything live is the better answer. */
async function missedSince(
  deps: WatchDeps,
  cursor: WatchCursor | undefined,
): Promise<RevocationPage | undefined> {
  if (cursor === undefined || Math.abs(deps.clock.now() - cursor.time) > MAX_CURSOR_AGE_MS) return undefined;
  try {
    return await deps.revocations.since(cursor.position);
  } catch (error) {
    // The index knows it all as well, as long as it is fresh.
    if (error instanceof DomainError && error.reason === 'STORAGE_UNAVAILABLE') return undefined;
    throw error;
  }
}

function* tellLive(deps: WatchDeps): Generator<WatchNews, void, undefined> {
  const { cursor } = deps.revocationIndex;
  let revocations: Revocation[] = [];
  for (const revocation of deps.revocationIndex.live()) {
    revocations.push(revocation);
    if (revocations.length < MAX_PER_MESSAGE) continue;
    yield { kind: 'snapshot', revocations };
    revocations = [];
  }
  if (revocations.length > 0) yield { kind: 'snapshot', revocations };
  yield { kind: 'snapshot_end', cursor };
}

function* tellMissed(deps: WatchDeps, page: RevocationPage): Generator<WatchNews, void, undefined> {
  const reached = { position: page.cursor, time: deps.clock.now() };
  for (let start = 0; start < page.revocations.length; start += MAX_PER_MESSAGE) {
    const revocations = page.revocations.slice(start, start + MAX_PER_MESSAGE);
    const isLast = start + MAX_PER_MESSAGE >= page.revocations.length;
    yield { kind: 'events', revocations, cursor: isLast ? reached : undefined };
  }
}

function* tellNews(deps: WatchDeps, queue: NewsQueue, pulse: Pulse): Generator<WatchNews, void, undefined> {
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
