// The census of sessions. They expire without a call, and a refresh must write nothing beside its row: so they are counted.

import type { Clock } from '../clock.ts';
import type { Transact } from '../transactions.ts';
import type { SessionCensus, StatsKeeper, StatsStore } from './stats-store.ts';

/** How old a census becomes at least, in milliseconds. */
export const CENSUS_INTERVAL_MS = 60_000;
/** Of its time a database spends at most one part in so many on counting. */
const COUNTING_SHARE = 50;
/** How many sessions a statement looks at: it is over within a fraction of a second, and of any limit on statements. */
const PIECE = 50_000;

export type CensusDeps = {
  readonly transact: Transact<{ readonly stats: StatsStore; readonly statsKeeper: StatsKeeper }>;
  readonly clock: Clock;
};

/** Whether it is time for another: a minute after the last one, or later when that took more than a second or so. */
export function isCensusDue(last: SessionCensus | undefined, now: number): boolean {
  if (last === undefined) return true;
  const pause = Math.max(CENSUS_INTERVAL_MS, COUNTING_SHARE * last.tookMs);
  // A clock that was set back must not put it off.
  return Math.abs(now - last.time) >= pause;
}

/**
 * Counts the sessions that live now, all as of one moment, and notes the count. Undefined, and nothing noted, when it is asked to stop.
 * Errors: CONFLICT, STORAGE_UNAVAILABLE.
 */
export function takeCensus(deps: CensusDeps, stopping?: AbortSignal): Promise<SessionCensus | undefined> {
  return deps.transact(async ({ statsKeeper }) => {
    await statsKeeper.seeOneMoment();
    return count(deps.clock, statsKeeper, stopping);
  });
}

/** As `takeCensus`, when it is due and no other node is at it. */
export async function keepCensus(deps: CensusDeps, stopping?: AbortSignal): Promise<void> {
  await deps.transact(async ({ stats, statsKeeper }) => {
    await statsKeeper.seeOneMoment();
    if (!(await statsKeeper.tryLock())) return;
    if (!isCensusDue(await stats.sessionCensus(), deps.clock.now())) return;
    await count(deps.clock, statsKeeper, stopping);
  });
}

async function count(
  clock: Clock,
  keeper: StatsKeeper,
  stopping: AbortSignal | undefined,
): Promise<SessionCensus | undefined> {
  const time = clock.now();
  let activeSessions = 0;
  let position: string | undefined;
  do {
    if (stopping?.aborted === true) return undefined;
    const progress = await keeper.countSessions({ now: time, position, limit: PIECE });
    activeSessions += progress.active;
    position = progress.position;
  } while (position !== undefined);
  const census = { activeSessions, time, tookMs: Math.max(0, clock.now() - time) };
  await keeper.noteCensus(census);
  return census;
}
