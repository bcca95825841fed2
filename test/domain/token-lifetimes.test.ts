// Holds the registration of a node's token lifetime: before the first token, again in time, and longer when the clock is ahead.

import { describe, expect, it } from 'vitest';

import { LifetimeRegistrar } from '../../src/domain/token/token-lifetimes.ts';

const MINUTE_MS = 60_000;

function registrar() {
  const world = { now: 0, aheadMs: 0, isAway: false };
  const registered: number[] = [];
  const lifetimes = new LifetimeRegistrar({
    tokenLifetimes: {
      register: async (lifetimeMs) => {
        if (world.isAway) throw new Error('away');
        registered.push(lifetimeMs);
      },
    },
    tokenPolicy: { accessTokenTtlMs: 15 * MINUTE_MS },
    aheadMs: () => world.aheadMs,
    stopwatch: () => world.now,
  });
  return { world, registered, lifetimes };
}

describe('the registration of a token lifetime', () => {
  it('comes at once, and then once a minute', async () => {
    const { world, registered, lifetimes } = registrar();
    await lifetimes.keep();
    for (let second = 1; second <= 120; second += 1) {
      world.now = second * 1_000;
      await lifetimes.keep();
    }
    expect(registered).toEqual([15 * MINUTE_MS, 15 * MINUTE_MS, 15 * MINUTE_MS]);
  });

  it('is tried again at the next call when the database is away', async () => {
    const { world, registered, lifetimes } = registrar();
    world.isAway = true;
    await expect(lifetimes.keep()).rejects.toThrow('away');
    world.isAway = false;
    await lifetimes.keep();
    expect(registered).toEqual([15 * MINUTE_MS]);
  });

  it('covers a clock that is ahead, at once when it moves, and not one that is behind', async () => {
    const { world, registered, lifetimes } = registrar();
    world.aheadMs = -3_600_000;
    await lifetimes.keep();
    world.aheadMs = 5 * MINUTE_MS;
    await lifetimes.keep();
    world.aheadMs = 30_000;
    await lifetimes.keep();
    expect(registered).toEqual([15 * MINUTE_MS, 20 * MINUTE_MS]);
  });
});
