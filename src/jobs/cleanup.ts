// Deletes expired rows in small batches, so that calls are not slowed.

import { setTimeout as delay } from 'node:timers/promises';
import type {
  CleanupCounts,
  CleanupKind,
  CleanupProgress,
  CleanupStore,
} from '../domain/cleanup/cleanup-store.ts';
import { CLEANUP_KINDS, KEPT_MS } from '../domain/cleanup/cleanup-store.ts';
import type { Clock } from '../domain/clock.ts';
import type { Transact } from '../domain/transactions.ts';

/** How a run ended: nothing was left, its time was used up (or it was asked to stop), or another node was at it. */
export type CleanupEnd = 'done' | 'out_of_time' | 'locked';

export type CleanupOutcome = { readonly counts: CleanupCounts; readonly end: CleanupEnd };

/** What a run has done so far. */
type Pass = {
  readonly left: Set<CleanupKind>;
  readonly counts: CleanupCounts;
  readonly failures: unknown[];
};

export type CleanupRun = {
  /** Milliseconds. */
  readonly budgetMs: number;
  /** When another node is at it: waited for before the next try. Without it the run ends. */
  readonly whenLocked?: () => Promise<void>;
};

export type CleanupDeps = {
  readonly transact: Transact<{ readonly cleanup: Pick<CleanupStore, 'tryLock' | 'deleteBatch'> }>;
  readonly clock: Clock;
  /** Called after a run that deleted rows, with how many of each kind. */
  readonly onCleaned: (deleted: CleanupCounts) => void;
};

/** The most rows that one transaction deletes: it is over in milliseconds. */
export const BATCH_ROWS = 500;
/** How long a run may go on; what is left waits for the next. */
export const RUN_MS = 2_000;
/** Between two runs while there is much to delete: half of the time is the database's own. */
const REST_MS = RUN_MS;
/** What a run deletes when it is worth to go on soon, rather than to look through millions of rows for a few. */
const MUCH = 10 * BATCH_ROWS;
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
  async run(
    stopping?: AbortSignal,
    { budgetMs, whenLocked }: CleanupRun = { budgetMs: RUN_MS },
  ): Promise<CleanupOutcome> {
    const { clock } = this.#deps;
    const start = clock.now();
    const pass: Pass = { left: new Set(CLEANUP_KINDS), counts: {}, failures: [] };
    // A clock that was set back ends the run too.
    const hasTime = () => stopping?.aborted !== true && Math.abs(clock.now() - start) < budgetMs;
    while (hasTime()) {
      const kind = this.#nextOf(pass.left);
      if (kind === undefined) return this.#end(pass, 'done');
      if (await this.#step(pass, kind)) await delay(PAUSE_MS);
      else if (whenLocked === undefined) return this.#end(pass, 'locked');
      else await whenLocked();
    }
    return this.#end(pass, 'out_of_time');
  }

  /** Runs once; while that takes much away and there is more, runs again after a rest. Errors: as `run`. */
  async catchUp(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      const { counts, end } = await this.run(stopping);
      if (end !== 'out_of_time' || totalOf(counts) < MUCH) return;
      await delay(REST_MS, undefined, { signal: stopping }).catch(() => undefined);
    }
  }

  /** One batch; false when another node is at it. */
  async #step({ left, counts, failures }: Pass, kind: CleanupKind): Promise<boolean> {
    try {
      const progress = await this.#clean(kind);
      if (progress === undefined) return false;
      if (progress.isDone) left.delete(kind);
      if (progress.deleted > 0) counts[kind] = (counts[kind] ?? 0) + progress.deleted;
    } catch (error) {
      left.delete(kind);
      failures.push(error);
    }
    return true;
  }

  #end({ counts, failures }: Pass, end: CleanupEnd): CleanupOutcome {
    if (Object.keys(counts).length > 0) this.#deps.onCleaned(counts);
    if (failures.length > 0) throw failures[0];
    return { counts, end };
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
      if (!(await cleanup.tryLock())) return undefined;
      return cleanup.deleteBatch({ kind, before: now - KEPT_MS[kind], now, position, limit: BATCH_ROWS });
    });
    if (progress !== undefined) this.#positions.set(kind, progress.position);
    return progress;
  }
}

/** How many rows in all. */
export function totalOf(counts: CleanupCounts): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
