// A sliding window: how many uses lie in the last so many milliseconds, never fewer than there were.

/**
 * Uses that came close together, as three numbers each: first use, last use, count. Oldest first. Milliseconds of any clock that the caller
 * keeps to.
 */
export type Uses = readonly number[];

/** How a use was judged. Both waits are milliseconds from now. */
export type WindowState = {
  /** False when the use was one too many; it is not counted then. */
  readonly isAllowed: boolean;
  /** Uses in the window, this one included when it was allowed. */
  readonly count: number;
  /** Until the next use is allowed; 0 when it is already. */
  readonly retryMs: number;
  /** Until none of the uses counts any more. */
  readonly resetMs: number;
};

/** Numbers for each group of uses. */
export const GROUP_SIZE = 3;

/** Into how many groups at most a window is divided; the Lua script of the Redis limiter has the same number by argument. */
const GROUPS = 60;

/** Uses closer than this to the first of a group join it, in milliseconds. */
export function groupSpanMs(windowMs: number): number {
  return Math.max(1, Math.floor(windowMs / GROUPS));
}

/**
 * What still counts of `uses` at `now`. A group counts until its last use is a window old: so any window holds `limit` uses at most, and a use
 * counts for a sixtieth of the window longer at most. A time after `now`, left by a clock that was set back, counts as now.
 */
export function liveUses(uses: Uses, now: number, windowMs: number): number[] {
  const live: number[] = [];
  for (let at = 0; at < uses.length; at += GROUP_SIZE) {
    const last = Math.min(uses[at + 1] ?? 0, now);
    if (last + windowMs > now) live.push(Math.min(uses[at] ?? 0, now), last, uses[at + 2] ?? 0);
  }
  return live;
}

/** Adds one use at `now` to what `liveUses` answered. */
export function addUse(live: number[], now: number, windowMs: number): void {
  const at = live.length - GROUP_SIZE;
  if (at < 0 || now - (live[at] ?? 0) >= groupSpanMs(windowMs)) live.push(now, now, 1);
  else live.splice(at + 1, 2, now, (live[at + 2] ?? 0) + 1);
}

/** How many uses there are. */
export function countOf(uses: Uses): number {
  let count = 0;
  for (let at = 2; at < uses.length; at += GROUP_SIZE) count += uses[at] ?? 0;
  return count;
}

/** The state after a use that was allowed or not. `limit` uses a window are; fewer may be by configuration than were counted before. */
export function windowState(
  live: Uses,
  isAllowed: boolean,
  { limit, windowMs, now }: { readonly limit: number; readonly windowMs: number; readonly now: number },
): WindowState {
  const count = countOf(live);
  return {
    isAllowed,
    count,
    retryMs: untilBelow(live, limit, windowMs, now),
    resetMs: live.length === 0 ? 0 : Math.max(0, (live.at(-2) ?? now) + windowMs - now),
  };
}

function untilBelow(live: Uses, limit: number, windowMs: number, now: number): number {
  let left = countOf(live);
  for (let at = 0; at < live.length && left >= limit; at += GROUP_SIZE) {
    left -= live[at + 2] ?? 0;
    if (left < limit) return Math.max(0, (live[at + 1] ?? now) + windowMs - now);
  }
  return 0;
}
