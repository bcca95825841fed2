// Holds the measurement of the clock: what is certain counts, what a slow answer leaves open does not.

import { describe, expect, it } from 'vitest';

import type { SkewStatus } from '../../src/domain/clock-skew.ts';
import { ClockSkew } from '../../src/domain/clock-skew.ts';

function skew(maxMs: number | 'off' = 2_500) {
  const changes: SkewStatus[] = [];
  const clockSkew = new ClockSkew({ maxMs, onChange: (status) => changes.push(status) });
  const look = (aheadMs: number, tookMs = 0) =>
    clockSkew.note({
      askedAt: 1_000_000,
      databaseTime: 1_000_000 + tookMs / 2 - aheadMs,
      answeredAt: 1_000_000 + tookMs,
    });
  return { clockSkew, changes, look };
}

describe('the skew of the clock', () => {
  it('is unknown at first, and refuses nothing then', () => {
    expect(skew().clockSkew.status).toEqual({ aheadMs: undefined, uncertaintyMs: 0, isWithinBound: true });
  });

  it.each([
    [2_500, true],
    [-2_500, true],
    [2_501, false],
    [-2_501, false],
    [300_000, false],
  ])('of %d ms is within the bound: %s', (aheadMs, isWithinBound) => {
    const { clockSkew, look } = skew();
    look(aheadMs);
    expect(clockSkew.status).toEqual({ aheadMs, uncertaintyMs: 0, isWithinBound });
  });

  it('is reported on change, and not on each look', () => {
    const { changes, look } = skew();
    for (const aheadMs of [0, 10, 4_000, 5_000, -9_000, 20, 0]) look(aheadMs);
    expect(changes.map(({ aheadMs, isWithinBound }) => [aheadMs, isWithinBound])).toEqual([
      [4_000, false],
      [20, true],
    ]);
  });

  it('is not believed beyond what the time of the look proves', () => {
    const { clockSkew, look } = skew();
    look(4_000, 15_000);
    expect(clockSkew.status).toEqual({ aheadMs: 4_000, uncertaintyMs: 7_500, isWithinBound: true });
    look(60_000, 15_000);
    expect(clockSkew.status.isWithinBound).toBe(false);
  });

  it('is not measured by a look during which the clock was set back, and has no bound where that is off', () => {
    const { clockSkew } = skew();
    clockSkew.note({ askedAt: 1_000, databaseTime: 900_000, answeredAt: 500 });
    expect(clockSkew.status.aheadMs).toBeUndefined();
    const unbounded = skew('off');
    unbounded.look(900_000);
    expect(unbounded.clockSkew.status.isWithinBound).toBe(true);
  });
});
