// The contract of RateLimiter, in memory and over Redis, and what becomes of the counts when Redis fails.

import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LimitTable } from '../../src/domain/limits/limit-table.ts';
import { LIMIT_TABLE } from '../../src/domain/limits/limit-table.ts';
import { RateLimitedError } from '../../src/domain/limits/rate-limited.ts';
import type { LimitClass, RateLimiter } from '../../src/domain/limits/rate-limiter.ts';
import { memoryRateLimiter } from '../../src/storage/memory/rate-limiter.ts';
import { RedisRateLimiter } from '../../src/storage/redis/rate-limiter.ts';
import { counterKey, UseCounters } from '../../src/storage/use-counters.ts';
import { eventually, eventuallyPasses } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { startPrivateRedis, withRedis } from '../support/private-redis.ts';
import { tally } from '../fault/nodes.ts';
import { describeWithRedis, redisKeyPrefix, redisUrl } from '../support/services.ts';

const REAL_CLOCK = { now: () => Date.now() };
const SECOND_MS = 1_000;
/** The windows of tests that wait for them in real time. */
const SHORT: LimitTable = { ...LIMIT_TABLE, login: { address: { limit: 5, windowMs: SECOND_MS } } };

/** `remaining`, or the reason of the refusal. */
async function use(limiter: RateLimiter, key: string, limitClass: LimitClass = 'login'): Promise<string> {
  try {
    return String((await limiter.consume(limitClass, 'address', key))?.remaining);
  } catch (error) {
    return error instanceof RateLimitedError ? error.reason : `not a refusal: ${String(error)}`;
  }
}

async function refusalOf(limiter: RateLimiter, key: string): Promise<RateLimitedError> {
  const error: unknown = await limiter.consume('login', 'address', key).catch((refusal: unknown) => refusal);
  if (error instanceof RateLimitedError) return error;
  throw new Error(`not refused: ${String(error)}`);
}

async function useTimes(limiter: RateLimiter, key: string, times: number): Promise<string[]> {
  const outcomes: string[] = [];
  for (let count = 0; count < times; count += 1) outcomes.push(await use(limiter, key));
  return outcomes;
}

const newKey = () => `key ${randomUUID()}`;

type Opened = { readonly limiter: RateLimiter; readonly other: RateLimiter; passWindow(): Promise<void> };

/** `open` opens two limiters that count by SHORT: of two nodes, or of the same one. */
function contract(open: () => Promise<Opened>): void {
  let limiter: RateLimiter;
  let other: RateLimiter;
  let passWindow: Opened['passWindow'];
  beforeEach(async () => {
    ({ limiter, other, passWindow } = await open());
  });

  it('tells what is left, then refuses, with the time to wait', async () => {
    const key = newKey();
    const first = await limiter.consume('register', 'address', key);
    expect(first).toMatchObject({ limit: 3, remaining: 2 });
    expect(first!.resetMs).toBeGreaterThan(3_590_000);
    expect(first!.resetMs).toBeLessThanOrEqual(3_600_000);
    expect(await use(limiter, key, 'register')).toBe('1');
    expect(await use(limiter, key, 'register')).toBe('0');
    const refusal: unknown = await limiter
      .consume('register', 'address', key)
      .catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      reason: 'RATE_LIMITED',
      message: 'Too many attempts from this address. Try again in 60 minutes.',
      retryAfterMs: 3_600_000,
      metadata: { limit: '3', remaining: '0', reset: '3600' },
      state: { limit: 3, remaining: 0 },
    });
  });

  it('lets exactly the limit through when all come at once', async () => {
    const key = newKey();
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, index) => use(index % 2 === 0 ? limiter : other, key, 'token')),
    );
    expect(outcomes.filter((outcome) => outcome === 'RATE_LIMITED')).toHaveLength(80);
    expect(Object.keys(tally(outcomes))).toHaveLength(21);
  });

  it('counts together with the other, and everybody by himself', async () => {
    const key = newKey();
    expect(await use(limiter, key, 'mfa')).toBe('9');
    expect(await use(other, key, 'mfa')).toBe('8');
    expect(await use(limiter, key, 'mfa')).toBe('7');
    expect(await use(limiter, `${key}.`, 'mfa')).toBe('9');
    expect(await use(limiter, '', 'mfa')).not.toBe('RATE_LIMITED');
    expect(await use(limiter, key, 'token')).toBe('19');
    expect(await limiter.consume('mail', 'address', key)).toMatchObject({ remaining: 4 });
    expect(await limiter.consume('mail', 'account', key)).toMatchObject({ remaining: 2 });
  });

  it('takes keys of any text and length', async () => {
    const suffix = randomUUID();
    const keys = ['x'.repeat(1_000_000), '\u0000', '🦊', 'a:b', 'a b\r\n', '*', '__proto__', '\uD800'];
    for (const key of keys) expect(await use(limiter, key + suffix, 'mfa')).toBe('9');
  });

  it('does not count by a subject without a rule', async () => {
    for (let times = 0; times < 30; times += 1)
      expect(await limiter.consume('register', 'account', 'anybody')).toBeUndefined();
  });

  it('has all of the limit again after the window, however often it refused meanwhile', async () => {
    const key = newKey();
    await useTimes(limiter, key, 10);
    const { state, retryAfterMs } = await refusalOf(limiter, key);
    expect(state).toMatchObject({ limit: 5, remaining: 0 });
    expect(state.resetMs).toBeLessThanOrEqual(SECOND_MS);
    expect(retryAfterMs).toBe(SECOND_MS);
    await passWindow();
    await eventuallyPasses(async () => expect(await use(limiter, key)).toBe('4'));
    expect(await useTimes(other, key, 5)).toEqual(['3', '2', '1', '0', 'RATE_LIMITED']);
  });
}

describe('RateLimiter in memory', () => {
  const clock = new FakeClock();
  contract(async () => {
    const limiter = memoryRateLimiter(clock, SHORT);
    return { limiter, other: limiter, passWindow: async () => clock.advance(SECOND_MS) };
  });

  it('has none of it again a millisecond before', async () => {
    const limiter = memoryRateLimiter(clock, SHORT);
    await useTimes(limiter, 'key', 5);
    clock.advance(SECOND_MS - 1);
    expect((await refusalOf(limiter, 'key')).state.resetMs).toBe(1);
    clock.advance(1);
    expect(await use(limiter, 'key')).toBe('4');
  });

  it('holds nobody longer than a window when the clock is set back', async () => {
    const limiter = memoryRateLimiter(clock, SHORT);
    await useTimes(limiter, 'key', 6);
    clock.advance(-3_600_000);
    expect(await use(limiter, 'key')).toBe('4');
  });
});

describe('the counters of one process', () => {
  const WINDOW_MS = 60_000;

  it('let no flood of other names push out a victim', () => {
    const counters = new UseCounters(WINDOW_MS, new FakeClock(), 1_000);
    const victim = counterKey('victim');
    for (let uses = 1; uses <= 5; uses += 1) counters.add(victim);
    for (let name = 0; name < 100_000; name += 1) counters.add(counterKey(`name ${name}`));
    expect(counters.add(victim).uses).toBe(6);
  });

  it('count newcomers past the greatest number of names together, never not at all', () => {
    const counters = new UseCounters(WINDOW_MS, new FakeClock(), 10);
    for (let name = 0; name < 10; name += 1) counters.add(`known ${name}`);
    expect([1, 2, 3].map(() => counters.add('newcomer').uses)).toEqual([1, 2, 3]);
    expect(counters.add('new other name').uses).toBe(4);
    expect(counters.add('known 3').uses).toBe(2);
    expect(counters.size).toBe(11);
  });

  it('clear away what has ended as new windows open', () => {
    const clock = new FakeClock();
    const counters = new UseCounters(WINDOW_MS, clock);
    for (let name = 0; name < 80_000; name += 1) counters.add(counterKey(`name ${name}`));
    expect(counters.size).toBe(80_000);
    clock.advance(WINDOW_MS);
    for (let name = 0; name < 12_000; name += 1) counters.add(counterKey(`later ${name}`));
    expect(counters.size).toBe(12_000);
  });

  it('go on from what was known when they are told less', () => {
    const clock = new FakeClock();
    const counters = new UseCounters(WINDOW_MS, clock);
    expect(counters.adopt('key', 3, clock.now() + 40_000)).toEqual({ uses: 3, resetMs: 40_000 });
    expect(counters.adopt('key', 1, clock.now() + 60_000)).toEqual({ uses: 4, resetMs: 40_000 });
    expect(counters.add('key')).toEqual({ uses: 5, resetMs: 40_000 });
    expect(counters.adopt('key', 9, clock.now() + 30_000)).toEqual({ uses: 9, resetMs: 30_000 });
    clock.advance(30_000);
    expect(counters.adopt('key', 1, clock.now() + 60_000)).toEqual({ uses: 1, resetMs: 60_000 });
  });
});

const opened: RedisRateLimiter[] = [];
afterEach(() => opened.splice(0).forEach((limiter) => limiter.close()));

/** One more node. `told` hears what is said of Redis. */
function redisLimiter(url: string, told: string[] = [], keyPrefix = redisKeyPrefix(), table = SHORT) {
  const limiter = new RedisRateLimiter({
    url,
    keyPrefix,
    clock: REAL_CLOCK,
    table,
    onAway: () => void told.push('away'),
    onBack: () => void told.push('back'),
  });
  opened.push(limiter);
  return limiter;
}

/** One more node that counts in Redis already. */
async function connected(url: string, told: string[] = [], keyPrefix = redisKeyPrefix(), table = SHORT) {
  const limiter = redisLimiter(url, told, keyPrefix, table);
  await eventually(async () => {
    await use(limiter, newKey(), 'mfa');
    return told.at(-1) !== 'away';
  });
  told.splice(0);
  return limiter;
}

describeWithRedis('RateLimiter over Redis', () => {
  afterAll(() =>
    withRedis(redisUrl(), async (redis) => {
      const keys = await redis.keys(`${redisKeyPrefix()}*`);
      if (keys.length > 0) await redis.del(...keys);
    }),
  );
  contract(async () => ({
    limiter: await connected(redisUrl()),
    other: await connected(redisUrl()),
    passWindow: async () => undefined,
  }));

  it('shares nothing with another installation on the same Redis', async () => {
    const key = newKey();
    const ours = await connected(redisUrl());
    const theirs = await connected(redisUrl(), [], `${redisKeyPrefix()}other:`);
    expect(await useTimes(ours, key, 2)).toEqual(['4', '3']);
    expect(await use(theirs, key)).toBe('4');
  });

  it('leaves nothing in Redis that does not expire, and nobody’s name', async () => {
    const limiter = await connected(redisUrl());
    await limiter.consume('mail', 'account', 'somebody@example.com');
    await withRedis(redisUrl(), async (redis) => {
      const keys = await redis.keys(`${redisKeyPrefix()}limit:*`);
      expect(keys.length).toBeGreaterThan(0);
      expect(keys.join('\n')).not.toContain('somebody');
      for (const key of keys) expect(await redis.pttl(key)).not.toBe(-1);
    });
  });

  it('asks Redis no more about a key that has used up its limit', async () => {
    const limiter = await connected(redisUrl());
    const key = newKey();
    for (let times = 0; times < 50; times += 1) await use(limiter, key, 'register');
    const stored = await withRedis(redisUrl(), (redis) =>
      redis.get(`${redisKeyPrefix()}limit:register:address:${counterKey(key)}`),
    );
    expect(Number(stored)).toBe(3);
  });

  it('counts here when Redis cannot, and does not ask it again for a while', async () => {
    const told: string[] = [];
    const limiter = await connected(redisUrl(), told);
    const key = newKey();
    await withRedis(redisUrl(), (redis) =>
      redis.lpush(`${redisKeyPrefix()}limit:token:address:${counterKey(key)}`, 'x'),
    );
    expect(await use(limiter, key, 'token')).toBe('19');
    expect(told).toEqual(['away']);
    const next = newKey();
    expect(await use(limiter, next, 'token')).toBe('19');
    const atRedis = await withRedis(redisUrl(), (redis) =>
      redis.exists(`${redisKeyPrefix()}limit:token:address:${counterKey(next)}`),
    );
    expect(atRedis).toBe(0);
    await eventually(async () => {
      await use(limiter, newKey(), 'token');
      return told.at(-1) === 'back';
    });
  });

  it('does not start with a window that Redis cannot count', () => {
    const open = (windowMs: number) =>
      new RedisRateLimiter({
        url: redisUrl(),
        keyPrefix: '',
        clock: REAL_CLOCK,
        table: { ...SHORT, token: { address: { limit: 1, windowMs } } },
        onAway: () => undefined,
        onBack: () => undefined,
      });
    for (const windowMs of [0, 500, 1_500, -1_000, Number.NaN])
      expect(() => open(windowMs)).toThrow(RangeError);
  });
});

describeWithRedis('RateLimiter over a Redis in trouble', () => {
  let redis: PrivateRedis;
  beforeAll(async () => {
    redis = await startPrivateRedis();
  });
  afterAll(() => redis.stop());

  const connectedHere = (told: string[]) => connected(redis.url, told, 'test:', LIMIT_TABLE);
  const stored = (key: string): Promise<string | null> =>
    withRedis(redis.url, (client) => client.get(`test:limit:login:address:${counterKey(key)}`));

  it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
    ['dies', () => redis.stopServer(), () => redis.startServer()],
    ['hangs', async () => redis.pause(), async () => redis.resume()],
    ['is flushed', () => withRedis(redis.url, (client) => client.flushall()), async () => undefined],
    ['is killed and comes back empty', () => redis.restart(), async () => undefined],
  ])(
    'gives nobody a fresh limit when Redis %s midway, and counts there again by itself',
    async (_what, fail, recover) => {
      const told: string[] = [];
      const limiter = await connectedHere(told);
      const [key, stranger] = [newKey(), newKey()];
      expect(await useTimes(limiter, key, 3)).toEqual(['4', '3', '2']);
      await fail();
      try {
        expect(await useTimes(limiter, key, 4)).toEqual(['1', '0', 'RATE_LIMITED', 'RATE_LIMITED']);
        const outcomes = await Promise.all(Array.from({ length: 50 }, () => use(limiter, stranger)));
        expect(tally(outcomes)).toEqual({ 4: 1, 3: 1, 2: 1, 1: 1, 0: 1, RATE_LIMITED: 45 });
      } finally {
        await recover();
      }
      await eventually(async () => {
        const fresh = newKey();
        await use(limiter, fresh);
        return stored(fresh);
      });
      expect([[], ['away', 'back']]).toContainEqual(told);
      expect(await use(limiter, key)).toBe('RATE_LIMITED');
      expect(await use(limiter, stranger)).toBe('RATE_LIMITED');
    },
  );

  it('makes few calls wait for a Redis that hangs, and none long', async () => {
    const limiter = await connectedHere([]);
    redis.pause();
    try {
      const times: number[] = [];
      for (let call = 0; call < 50; call += 1) {
        const start = performance.now();
        await use(limiter, newKey());
        times.push(performance.now() - start);
      }
      expect(Math.max(...times)).toBeLessThan(2_000);
      expect(times.filter((ms) => ms > 100).length).toBeLessThan(5);
    } finally {
      redis.resume();
    }
  });

  it('counts from the first call on when Redis was never there', async () => {
    await redis.stopServer();
    try {
      const limiter = redisLimiter(redis.url);
      const outcomes = await useTimes(limiter, 'key', 6);
      expect(outcomes).toEqual(['4', '3', '2', '1', '0', 'RATE_LIMITED']);
    } finally {
      await redis.startServer();
    }
  });

  it('ends with its connection', async () => {
    const limiter = await connectedHere([]);
    limiter.close();
    expect(await use(limiter, newKey())).toBe('4');
  });
});
