// The period that statistics are asked for: whole hours or days (UTC), and not too many of them.

import type { Violations } from '../text.ts';
import type { StatsPeriod } from './stats-store.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How long each is, how many there are at most, and how many lie between the first and the last when no first is named. */
const INTERVALS = {
  hour: { ms: HOUR_MS, most: 744, usual: 24, plural: 'hours' },
  day: { ms: DAY_MS, most: 366, usual: 30, plural: 'days' },
} as const;

const BEFORE_1970 = 'must not be before 1970';

/** What a caller asks for; times are epoch milliseconds. */
export type PeriodOptions = {
  readonly interval: StatsPeriod['interval'];
  readonly startTime: number | undefined;
  readonly endTime: number | undefined;
};

/** How long the period's hours or days are, in milliseconds. */
export function intervalMs({ interval }: Pick<StatsPeriod, 'interval'>): number {
  return INTERVALS[interval].ms;
}

/**
 * The hours or days from the one that holds `startTime` (a day, of hours, or 30 days before the last when absent) to the one that holds
 * `endTime` (now when absent). Notes against `start_time` and `end_time` what is wrong with them.
 */
export function readPeriod(violations: Violations, options: PeriodOptions, now: number): StatsPeriod {
  const { interval, startTime, endTime } = options;
  const { ms, most, usual, plural } = INTERVALS[interval];
  const beginningOf = (time: number) => Math.floor(time / ms) * ms;
  const last = beginningOf(endTime ?? now);
  const start = startTime === undefined ? Math.max(0, last - usual * ms) : beginningOf(startTime);
  const fault = endFault(endTime, now);
  if (fault !== undefined) violations.add('end_time', fault);
  if (startTime === undefined) return { interval, start, end: last + ms };
  if (startTime < 0) violations.add('start_time', BEFORE_1970);
  else if (startTime > (endTime ?? now))
    violations.add('start_time', 'must not be after end_time, or now when that is absent');
  else if (start <= last - most * ms)
    violations.add('start_time', `must lie in the last ${most} ${plural} up to end_time`);
  return { interval, start, end: last + ms };
}

function endFault(endTime: number | undefined, now: number): string | undefined {
  if (endTime === undefined) return undefined;
  if (endTime < 0) return BEFORE_1970;
  return endTime > now + DAY_MS ? 'must be at most a day in the future' : undefined;
}
