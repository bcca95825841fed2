// Holds the period that statistics are asked for, and when a census is due.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CENSUS_INTERVAL_MS, isCensusDue } from '../../src/domain/stats/census.ts';
import type { PeriodOptions } from '../../src/domain/stats/period.ts';
import { intervalMs, readPeriod } from '../../src/domain/stats/period.ts';
import { Violations } from '../../src/domain/text.ts';
import { DAY_MS, NOW } from '../support/samples.ts';

const HOUR_MS = 3_600_000;
const MIDDAY = NOW + 12.5 * HOUR_MS;

function read(options: Partial<PeriodOptions>, now = MIDDAY) {
  const violations = new Violations();
  const period = readPeriod(
    violations,
    { interval: 'hour', startTime: undefined, endTime: undefined, ...options },
    now,
  );
  return { period, fields: violations.list.map(({ field }) => field) };
}

describe('a period', () => {
  it('is the last day in hours or the last 30 days when nothing is asked', () => {
    expect(read({}).period).toEqual({
      interval: 'hour',
      start: NOW - 12 * HOUR_MS,
      end: NOW + 13 * HOUR_MS,
    });
    expect(read({ interval: 'day' }).period).toEqual({
      interval: 'day',
      start: NOW - 30 * DAY_MS,
      end: NOW + DAY_MS,
    });
  });

  it('goes back from the end that is asked for', () => {
    const endTime = NOW - 100 * DAY_MS;
    expect(read({ endTime })).toEqual({
      period: { interval: 'hour', start: endTime - DAY_MS, end: endTime + HOUR_MS },
      fields: [],
    });
  });

  it('holds whole hours or days: that of the start, that of the end, and those between', () => {
    const time = fc.integer({ min: NOW - 20 * DAY_MS, max: MIDDAY });
    fc.assert(
      fc.property(time, time, fc.constantFrom('hour' as const, 'day' as const), (one, other, interval) => {
        const [startTime, endTime] = [Math.min(one, other), Math.max(one, other)];
        const { period, fields } = read({ interval, startTime, endTime });
        const step = intervalMs(period);
        expect(fields).toEqual([]);
        expect([period.start % step, period.end % step]).toEqual([0, 0]);
        expect(period.start).toBeLessThanOrEqual(startTime);
        expect(period.start + step).toBeGreaterThan(startTime);
        expect(period.end).toBeGreaterThan(endTime);
        expect(period.end - step).toBeLessThanOrEqual(endTime);
      }),
    );
  });

  it.each([
    ['hour', 744, HOUR_MS],
    ['day', 366, DAY_MS],
  ] as const)('has at most so many parts: by the %s, %i', (interval, most, ms) => {
    const endTime = NOW;
    expect(read({ interval, startTime: NOW - (most - 1) * ms, endTime }).fields).toEqual([]);
    expect(read({ interval, startTime: NOW - (most - 1) * ms - 1, endTime }).fields).toEqual(['start_time']);
  });

  it.each([
    ['ends before it begins', { startTime: NOW, endTime: NOW - 1 }, ['start_time']],
    ['begins in the future', { startTime: MIDDAY + 1 }, ['start_time']],
    ['ends more than a day in the future', { endTime: MIDDAY + DAY_MS + 1 }, ['end_time']],
    ['begins before 1970', { startTime: -1, endTime: 0 }, ['start_time']],
    ['ends before 1970', { endTime: -1 }, ['end_time']],
    ['ends at the end of time', { endTime: 253_402_300_799_999 }, ['end_time']],
    [
      'holds all of time',
      { startTime: -62_135_596_800_000, endTime: 253_402_300_799_999 },
      ['end_time', 'start_time'],
    ],
  ])('is refused when it %s', (_how, options, fields) => {
    expect(read(options).fields).toEqual(fields);
  });

  it('may end a day in the future, and begin with time', () => {
    expect(read({ endTime: MIDDAY + DAY_MS }).fields).toEqual([]);
    expect(read({ startTime: 0, endTime: 0 }).fields).toEqual([]);
  });
});

describe('a census', () => {
  const last = { activeSessions: 1, time: NOW, tookMs: 10 };
  it('is due when there is none, and a minute after the last', () => {
    expect(isCensusDue(undefined, NOW)).toBe(true);
    expect(isCensusDue(last, NOW + CENSUS_INTERVAL_MS - 1)).toBe(false);
    expect(isCensusDue(last, NOW + CENSUS_INTERVAL_MS)).toBe(true);
  });

  it('is due less often when counting takes long, and after the clock was set back', () => {
    const long = { ...last, tookMs: 30_000 };
    expect(isCensusDue(long, NOW + 1_499_999)).toBe(false);
    expect(isCensusDue(long, NOW + 1_500_000)).toBe(true);
    expect(isCensusDue(last, NOW - DAY_MS)).toBe(true);
  });
});
