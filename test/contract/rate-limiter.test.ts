// The contract of RateLimiter, in memory and over Redis, and what becomes of the counts when Redis fails.

import { randomUUID } from 'node:crypto';
import { array, assert, nat, property } from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LimitTable } from '../../src/domain/limits/limit-table.ts';
import { LIMIT_TABLE } from '../../src/domain/limits/limit-table.ts';
import { RateLimitedError } from '../../src/domain/limits/rate-limited.ts';
import type { LimitClass, RateLimiter } from '../../src/domain/limits/rate-limiter.ts';
import { memoryRateLimiter } from '../../src/storage/memory/rate-limiter.ts';
import { RedisRateLimiter } from '../../src/storage/redis/rate-limiter.ts';
import { counterKey, UseCounters } from '../../src/storage/use-counters.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { startPrivateRedis, withRedis } from '../support/private-redis.ts';
import { tally } from '../fault/nodes.ts';
import { describeWithRedis, redisKeyPrefix, redisUrl } from '../support/services.ts';

const REAL_CLOCK = { now: () => Date.now() };
const SECOND_MS = 1_000;
/** The windows that tests pass. */
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

type Opened = { readonly limiter: RateLimiter; readonly other: RateLimiter; pass(ms: number): Promise<void> };

/** `open` opens two limiters that count by SHORT: of two nodes, or of the same one. */
function contract(open: () => Promise<Opened>): void {
  let limiter: RateLimiter;
  let other: RateLimiter;
  let pass: Opened['pass'];
  beforeEach(async () => {
    ({ limiter, other, pass } = await open());
  });

  it('reports what is left, then refuses, with the time to wait', async () => {
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

  it('counts together with the other node, and each caller separately', async () => {
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

  it('has all of the limit again after the window, however often it refused before', async () => {
    const key = newKey();
    await useTimes(limiter, key, 10);
    const { state, retryAfterMs } = await refusalOf(limiter, key);
    expect(state).toMatchObject({ limit: 5, remaining: 0 });
    expect(state.resetMs).toBeLessThanOrEqual(SECOND_MS);
    expect(retryAfterMs).toBe(SECOND_MS);
    await pass(SECOND_MS);
    expect(await use(limiter, key)).toBe('4');
    expect(await useTimes(other, key, 5)).toEqual(['3', '2', '1', '0', 'RATE_LIMITED']);
  });

  it('slides: gives back what was used a window ago, and no more', async () => {
    const key = newKey();
    expect(await useTimes(limiter, key, 3)).toEqual(['4', '3', '2']);
    await pass(600);
    expect(await useTimes(limiter, key, 3)).toEqual(['1', '0', 'RATE_LIMITED']);
    await pass(600);
    expect(await useTimes(other, key, 4)).toEqual(['2', '1', '0', 'RATE_LIMITED']);
    await pass(600);
    expect(await useTimes(limiter, key, 3)).toEqual(['1', '0', 'RATE_LIMITED']);
  });

  it('says of a refusal when the next use is allowed, and in the state when all are', async () => {
    const key = newKey();
    const register = () => limiter.consume('register', 'address', key);
    await register();
    await pass(1_800_000);
    await register();
    await register();
    const refusal: unknown = await register().catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      message: 'Too many attempts from this address. Try again in 30 minutes.',
      retryAfterMs: 1_800_000,
      metadata: { remaining: '0', reset: '3600' },
    });
  });

  it('looks without counting', async () => {
    const key = newKey();
    for (let times = 0; times < 10; times += 1) limiter.requireLeft('login', 'address', key);
    expect(await useTimes(limiter, key, 5)).toEqual(['4', '3', '2', '1', '0']);
    expect(() => limiter.requireLeft('login', 'address', key)).toThrow(RateLimitedError);
    expect(() => limiter.requireLeft('login', 'address', `${key}.`)).not.toThrow();
    expect(() => limiter.requireLeft('register', 'account', key)).not.toThrow();
    await pass(SECOND_MS);
    expect(() => limiter.requireLeft('login', 'address', key)).not.toThrow();
  });
}

describe('RateLimiter in memory', () => {
  const clock = new FakeClock();
  contract(async () => {
    const limiter = memoryRateLimiter(clock, SHORT);
    return { limiter, other: limiter, pass: async (ms) => clock.advance(ms) };
  });

  it('has none of it again a millisecond before', async () => {
    const limiter = memoryRateLimiter(clock, SHORT);
    await useTimes(limiter, 'key', 5);
    clock.advance(SECOND_MS - 1);
    expect((await refusalOf(limiter, 'key')).state.resetMs).toBe(1);
    clock.advance(1);
    expect(await use(limiter, 'key')).toBe('4');
  });

  it('limits no caller longer than a window when the clock is set back, and gives none a fresh limit', async () => {
    const limiter = memoryRateLimiter(clock, SHORT);
    await useTimes(limiter, 'key', 5);
    clock.advance(-3_600_000);
    expect(await use(limiter, 'key')).toBe('RATE_LIMITED');
    clock.advance(SECOND_MS);
    expect(await use(limiter, 'key')).toBe('4');
  });
});

describe('a sliding window', () => {
  const LIMIT = 7;
  const WINDOW_MS = 600;

  it('never stores more than the limit, and evicts at most a sixtieth of a window late', () => {
    assert(
      property(array(nat({ max: 200 }), { maxLength: 200 }), (pauses) => {
        const clock = new FakeClock();
        const counters = new UseCounters({ limit: LIMIT, windowMs: WINDOW_MS }, clock);
        const allowed: number[] = [];
        for (const pause of pauses) {
          clock.advance(pause);
          const now = clock.now();
          const within = (spanMs: number) => allowed.filter((time) => time > now - spanMs).length;
          const state = counters.add('key');
          if (state.isAllowed) expect(within(WINDOW_MS)).toBeLessThan(LIMIT);
          else expect(within(WINDOW_MS + WINDOW_MS / 60)).toBeGreaterThanOrEqual(LIMIT);
          if (state.isAllowed) allowed.push(now);
          else expect(state.retryMs).toBeGreaterThan(0);
        }
      }),
    );
  });

  it('allows the next use when it said', () => {
    assert(
      property(array(nat({ max: 200 }), { minLength: 1, maxLength: 60 }), (pauses) => {
        const clock = new FakeClock();
        const counters = new UseCounters({ limit: LIMIT, windowMs: WINDOW_MS }, clock);
        for (const pause of pauses) {
          clock.advance(pause);
          counters.add('key');
        }
        const told = counters.exhausted('key');
        if (told === undefined) return;
        clock.advance(told.retryMs - 1);
        expect(counters.exhausted('key')).toBeDefined();
        clock.advance(1);
        expect(counters.add('key').isAllowed).toBe(true);
      }),
    );
  });
});

describe('the counters of one process', () => {
  const RULE = { limit: 1_000, windowMs: 60_000 };

  it('let no flood of other names push out a victim', () => {
    const counters = new UseCounters(RULE, new FakeClock(), 1_000);
    const victim = counterKey('victim');
    for (let uses = 1; uses <= 5; uses += 1) counters.add(victim);
    for (let name = 0; name < 100_000; name += 1) counters.add(counterKey(`name ${name}`));
    expect(counters.add(victim).count).toBe(6);
  });

  it('count newcomers past the greatest number of names together, never not at all', () => {
    const counters = new UseCounters(RULE, new FakeClock(), 10);
    for (let name = 0; name < 10; name += 1) counters.add(`known ${name}`);
    expect([1, 2, 3].map(() => counters.add('newcomer').count)).toEqual([1, 2, 3]);
    expect(counters.add('new other name').count).toBe(4);
    expect(counters.add('known 3').count).toBe(2);
    expect(counters.size).toBe(11);
  });

  it('delete what has expired as new windows open, one that was used on the way included', () => {
    const clock = new FakeClock();
    const counters = new UseCounters(RULE, clock);
    for (let name = 0; name < 40_000; name += 1) counters.add(counterKey(`name ${name}`));
    expect(counters.size).toBe(40_000);
    clock.advance(RULE.windowMs / 2);
    counters.add(counterKey('name 0'));
    clock.advance(RULE.windowMs / 2);
    for (let name = 0; name < 6_000; name += 1) counters.add(counterKey(`later ${name}`));
    expect(counters.size).toBe(6_001);
    expect(counters.add(counterKey('name 0')).count).toBe(2);
  });

  it('keep the known count when they receive a lower one', () => {
    const clock = new FakeClock();
    const counters = new UseCounters(RULE, clock);
    const then = clock.now() - 20_000;
    expect(counters.adopt('key', [then, then, 3], true)).toMatchObject({ count: 3, resetMs: 40_000 });
    expect(counters.adopt('key', [clock.now(), clock.now(), 1], true)).toMatchObject({
      count: 4,
      resetMs: 60_000,
    });
    expect(counters.add('key')).toMatchObject({ count: 5, resetMs: 60_000 });
    expect(counters.adopt('key', [then, then, 9], true)).toMatchObject({ count: 9, resetMs: 40_000 });
    clock.advance(40_000);
    expect(counters.adopt('key', [clock.now(), clock.now(), 1], true)).toMatchObject({
      count: 1,
      resetMs: 60_000,
    });
  });
});

/** The real time, and as much more as tests let pass. */
class MovableClock {
  #offset = 0;
  readonly now = (): number => Date.now() + this.#offset;
  advance(ms: number): void {
    this.#offset += ms;
  }
}

/** Makes every stored use so much older. */
async function passInRedis(ms: number): Promise<void> {
  const age = `
    local groups = cmsgpack.unpack(redis.call('GET', KEYS[1]))
    for at = 1, #groups, 3 do
      groups[at] = groups[at] - ARGV[1]
      groups[at + 1] = groups[at + 1] - ARGV[1]
    end
    redis.call('SET', KEYS[1], cmsgpack.pack(groups), 'KEEPTTL')`;
  await withRedis(redisUrl(), async (redis) => {
    for (const key of await redis.keys(`${redisKeyPrefix()}limits:*`))
      if ((await redis.type(key)) === 'string') await redis.eval(age, 1, key, ms);
  });
}

const opened: RedisRateLimiter[] = [];
afterEach(() => opened.splice(0).forEach((limiter) => limiter.close()));

/** One more node. `told` hears what is said of Redis. */
function redisLimiter(
  url: string,
  told: string[] = [],
  keyPrefix = redisKeyPrefix(),
  table = SHORT,
  clock = REAL_CLOCK,
) {
  const limiter = new RedisRateLimiter({
    url,
    keyPrefix,
    clock,
    table,
    onAway: () => void told.push('away'),
    onBack: () => void told.push('back'),
  });
  opened.push(limiter);
  return limiter;
}

/** One more node that counts in Redis already. */
async function connected(
  url: string,
  told: string[] = [],
  keyPrefix = redisKeyPrefix(),
  table = SHORT,
  clock = REAL_CLOCK,
) {
  const limiter = redisLimiter(url, told, keyPrefix, table, clock);
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
  contract(async () => {
    const clock = new MovableClock();
    const open = () => connected(redisUrl(), [], redisKeyPrefix(), SHORT, clock);
    return {
      limiter: await open(),
      other: await open(),
      async pass(ms) {
        clock.advance(ms);
        await passInRedis(ms);
      },
    };
  });

  it('shares nothing with another installation on the same Redis', async () => {
    const key = newKey();
    const ours = await connected(redisUrl());
    const theirs = await connected(redisUrl(), [], `${redisKeyPrefix()}other:`);
    expect(await useTimes(ours, key, 2)).toEqual(['4', '3']);
    expect(await use(theirs, key)).toBe('4');
  });

  it('leaves nothing in Redis that does not expire, and no name', async () => {
    const limiter = await connected(redisUrl());
    await limiter.consume('mail', 'account', 'somebody@example.com');
    await withRedis(redisUrl(), async (redis) => {
      const keys = await redis.keys(`${redisKeyPrefix()}limits:*`);
      expect(keys.length).toBeGreaterThan(0);
      expect(keys.join('\n')).not.toContain('somebody');
      for (const key of keys) expect(await redis.pttl(key)).not.toBe(-1);
    });
  });

  it('asks Redis no more about a key that has used up its limit', async () => {
    const limiter = await connected(redisUrl());
    const key = newKey();
    for (let times = 0; times < 3; times += 1) await use(limiter, key, 'register');
    const stored = `${redisKeyPrefix()}limits:register:address:${counterKey(key)}`;
    // An attempt that got there would begin anew.
    expect(await withRedis(redisUrl(), (redis) => redis.del(stored))).toBe(1);
    for (let times = 0; times < 50; times += 1)
      expect(await use(limiter, key, 'register')).toBe('RATE_LIMITED');
    expect(await withRedis(redisUrl(), (redis) => redis.exists(stored))).toBe(0);
  });

  it('counts here when Redis cannot, and does not ask it again for a while', async () => {
    const told: string[] = [];
    const limiter = await connected(redisUrl(), told);
    const key = newKey();
    await withRedis(redisUrl(), (redis) =>
      redis.lpush(`${redisKeyPrefix()}limits:token:address:${counterKey(key)}`, 'x'),
    );
    expect(await use(limiter, key, 'token')).toBe('19');
    expect(told).toEqual(['away']);
    const next = newKey();
    expect(await use(limiter, next, 'token')).toBe('19');
    const atRedis = await withRedis(redisUrl(), (redis) =>
      redis.exists(`${redisKeyPrefix()}limits:token:address:${counterKey(next)}`),
    );
    expect(atRedis).toBe(0);
    await eventually(async () => {
      await use(limiter, newKey(), 'token');
      return told.at(-1) === 'back';
    });
  });

  it('counts by the clock of Redis, so that nodes with other clocks count in the same windows', async () => {
    const key = newKey();
    const slow = await connected(redisUrl(), [], redisKeyPrefix(), SHORT, {
      now: () => Date.now() - 86_400_000,
    });
    const fast = await connected(redisUrl(), [], redisKeyPrefix(), SHORT, {
      now: () => Date.now() + 86_400_000,
    });
    expect([await use(slow, key), await use(fast, key), await use(slow, key)]).toEqual(['4', '3', '2']);
  });

  it('counts on after Redis has lost its scripts', async () => {
    const key = newKey();
    const told: string[] = [];
    const limiter = await connected(redisUrl(), told);
    await use(limiter, key, 'mfa');
    await withRedis(redisUrl(), (redis) => redis.script('FLUSH'));
    expect(await use(limiter, key, 'mfa')).toBe('8');
    expect(told).toEqual([]);
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
    withRedis(redis.url, (client) => client.get(`test:limits:login:address:${counterKey(key)}`));

  it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
    ['dies', () => redis.stopServer(), () => redis.startServer()],
    ['hangs', async () => redis.pause(), async () => redis.resume()],
    ['is flushed', () => withRedis(redis.url, (client) => client.flushall()), async () => undefined],
    ['is killed and comes back empty', () => redis.restart(), async () => undefined],
  ])(
    'gives no fresh limit when Redis %s midway, and counts there again by itself',
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
