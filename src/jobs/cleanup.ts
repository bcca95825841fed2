// Takes away what has stopped counting, a little at a time, so that nobody who is served notices.

import { setTimeout as delay } from 'node:timers/promises';
import type { CleanupKind, CleanupProgress, CleanupStore } from '../domain/cleanup/cleanup-store.ts';
import { CLEANUP_KINDS, KEPT_MS } from '../domain/cleanup/cleanup-store.ts';
import type { Clock } from '../domain/clock.ts';
import type { Transact } from '../domain/transactions.ts';

type Counts = Partial<Record<CleanupKind, number>>;

export type CleanupDeps = {
  readonly transact: Transact<{ readonly cleanup: CleanupStore }>;
  readonly clock: Clock;
  /** Told, after a run that took anything away, how many rows of each kind. */
  readonly onCleaned: (deleted: Counts) => void;
};

/** The most rows that one transaction takes away: it is over in milliseconds. */
export const BATCH_ROWS = 500;
/** How long a run may go on; what is left waits for the next. */
export const RUN_MS = 2_000;
/** Between two batches, for those who wait for the database. */
const PAUSE_MS = 5;

/** The cleaner of one node. Any number of nodes may have one: no two work at the same moment. */
export class Cleanup {
  readonly #deps: CleanupDeps;
  /** Whose turn it is; across runs, so that no kind takes the time of the others. */
  readonly #turns: CleanupKind[] = [...CLEANUP_KINDS];
  /** How far this node has come through the kinds that are walked. */
  readonly #positions = new Map<CleanupKind, string | undefined>();

  constructor(deps: CleanupDeps) {
    this.#deps = deps;
  }

  /**
   * One batch of each kind in turn, until nothing is left, the time is used up, or another node is found at it. A kind that failed waits for
   * the next run while the others go on. Errors: the first failure's, at the end.
   */
  async run(stopping?: AbortSignal): Promise<void> {
    const { clock, onCleaned } = this.#deps;
    const start = clock.now();
    const left = new Set(CLEANUP_KINDS);
    const counts: Counts = {};
    const failures: unknown[] = [];
    // A clock that was set back ends the run too.
    const hasTime = () => stopping?.aborted !== true && Math.abs(clock.now() - start) < RUN_MS;
    while (hasTime()) {
      const kind = this.#nextOf(left);
      if (kind === undefined) break;
      try {
        const progress = await this.#clean(kind);
        if (progress === undefined) break;
        if (progress.isDone) left.delete(kind);
        if (progress.deleted > 0) counts[kind] = (counts[kind] ?? 0) + progress.deleted;
      } catch (error) {
        left.delete(kind);
        failures.push(error);
      }
      await delay(PAUSE_MS);
    }
    if (Object.keys(counts).length > 0) onCleaned(counts);
    if (failures.length > 0) throw failures[0];
  }

  #nextOf(left: ReadonlySet<CleanupKind>): CleanupKind | undefined {
    const index = this.#turns.findIndex((kind) => left.has(kind));
    const passed = this.#turns.splice(0, index + 1);
    this.#turns.push(...passed);
    return passed.at(-1);
  }

  /** One batch in a transaction of its own; undefined when another node is at it. */
  async #clean(kind: CleanupKind): Promise<CleanupProgress | undefined> {
    const now = this.#deps.clock.now();
    const position = this.#positions.get(kind);
    const progress = await this.#deps.transact(async ({ cleanup }) => {
      if (!(await cleanup.tryHold())) return undefined;
      return cleanup.deleteBatch({ kind, before: now - KEPT_MS[kind], now, position, limit: BATCH_ROWS });
    });
    if (progress !== undefined) this.#positions.set(kind, progress.position);
    return progress;
  }
}
