// The rate limiter of many nodes: counts in Redis, and goes on from what it last knew while Redis is away.

import type { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Clock } from '../../domain/clock.ts';
import type { LimitRule, LimitTable } from '../../domain/limits/limit-table.ts';
import { perRule } from '../../domain/limits/limit-table.ts';
import { requireWithin } from '../../domain/limits/rate-limited.ts';
import type { LimitClass, LimitState, LimitSubject, RateLimiter } from '../../domain/limits/rate-limiter.ts';
import type { UseCount } from '../use-counters.ts';
import { counterKey, UseCounters } from '../use-counters.ts';
import { connectRedis } from './connection.ts';

/** No call waits longer for a Redis that hangs. */
const COMMAND_TIMEOUT_MS = 200;
/** For how long Redis is not asked after it has failed to answer. */
const HOLD_MS = 2_000;
const SECOND_MS = 1_000;

export type RedisRateLimiterOptions = {
  readonly url: string;
  /** Put before every key, so that several installations share one Redis. */
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly table: LimitTable;
  /** Told once when Redis no longer counts, and once when it does again. */
  readonly onAway: (error: Error) => void;
  readonly onBack: () => void;
};

type Counted = {
  readonly rule: LimitRule;
  readonly shared: RateLimiterRedis;
  /** What this node knows of the shared counts. */
  readonly counters: UseCounters;
};

/**
 * Every node counts in the same windows. Each remembers what Redis last told it, so that a Redis that dies, hangs, or comes back empty gives
 * nobody a fresh limit here, and a key that has used up its limit costs Redis nothing more. Errors of the constructor: RangeError for a window
 * that is not whole seconds.
 */
export class RedisRateLimiter implements RateLimiter {
  readonly #options: RedisRateLimiterOptions;
  readonly #redis: Redis;
  readonly #find: (limitClass: LimitClass, subject: LimitSubject) => Counted | undefined;
  #isAway = false;
  /** On the monotonic clock: the other one may be set. */
  #nextAskTime = 0;

  constructor(options: RedisRateLimiterOptions) {
    this.#options = options;
    this.#redis = connectRedis(options.url, {
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      // The next command fails, and tells.
      onFault: () => undefined,
    });
    this.#find = perRule(options.table, (rule, name) => ({
      rule,
      shared: sharedCounter(this.#redis, `${options.keyPrefix}limit:${name}`, rule),
      counters: new UseCounters(rule.windowMs, options.clock),
    }));
  }

  async consume(limitClass: LimitClass, subject: LimitSubject, key: string): Promise<LimitState | undefined> {
    const counted = this.#find(limitClass, subject);
    if (counted === undefined) return undefined;
    return requireWithin(counted.rule, subject, await this.#count(counted, counterKey(key)));
  }

  /** Gives up the connection. */
  close(): void {
    this.#redis.disconnect();
  }

  async #count({ rule, shared, counters }: Counted, key: string): Promise<UseCount> {
    const known = counters.known(key);
    const isUsedUp = known !== undefined && known.uses >= rule.limit;
    if (isUsedUp || performance.now() < this.#nextAskTime) return counters.add(key);
    // Taken before asking: what is remembered ends no later than what Redis holds.
    const askTime = this.#options.clock.now();
    const isConnected = this.#redis.status === 'ready';
    try {
      const told = await consumeShared(shared, key);
      this.#wentWell();
      return counters.adopt(key, told.consumedPoints, askTime + told.msBeforeNext);
    } catch (error) {
      // Without a connection nothing was sent, and nobody waited.
      if (isConnected) this.#nextAskTime = performance.now() + HOLD_MS;
      this.#wentWrong(error);
      return counters.add(key);
    }
  }

  #wentWell(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#options.onBack();
  }

  #wentWrong(error: unknown): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#options.onAway(error instanceof Error ? error : new Error(String(error)));
  }
}

// The library's insurance would begin to count from nothing, and say nothing.
function sharedCounter(redis: Redis, keyPrefix: string, { limit, windowMs }: LimitRule): RateLimiterRedis {
  const duration = windowMs / SECOND_MS;
  // The library would round down, and 0 means for ever.
  if (!Number.isInteger(duration) || duration < 1) throw new RangeError(`${keyPrefix}: not whole seconds`);
  return new RateLimiterRedis({
    storeClient: redis,
    keyPrefix,
    points: limit,
    duration,
    rejectIfRedisNotReady: true,
  });
}

// The library rejects with its result when the limit is passed, and with an Error when Redis failed.
async function consumeShared(shared: RateLimiterRedis, key: string): Promise<RateLimiterRes> {
  try {
    return await shared.consume(key);
  } catch (error) {
    if (error instanceof RateLimiterRes) return error;
    throw error;
  }
}
