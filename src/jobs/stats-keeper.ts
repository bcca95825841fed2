// Keeps the statistics small and true: folds the counts of accounts, and takes the census of sessions.

import type { CensusDeps } from '../domain/stats/census.ts';
import { keepCensus } from '../domain/stats/census.ts';

/** How often a node looks whether there is anything to do, in milliseconds. */
export const STATS_INTERVAL_MS = 10_000;
/** How many rows one transaction folds: it is over in a fraction of a second. */
const FOLD_ROWS = 10_000;

/**
 * One run. Any number of nodes may run it: no two work at the same moment. Errors: CONFLICT, STORAGE_UNAVAILABLE; what was done before is kept.
 */
export async function keepStats(deps: CensusDeps, stopping: AbortSignal): Promise<void> {
  let isMore = true;
  while (isMore && !stopping.aborted) {
    isMore = await deps.transact(
      async ({ statsKeeper }) =>
        (await statsKeeper.tryLock()) && (await statsKeeper.foldUserCounts(FOLD_ROWS)),
    );
  }
  if (!stopping.aborted) await keepCensus(deps, stopping);
}
