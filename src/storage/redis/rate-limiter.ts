// The rate limiter of many nodes: counts in Redis, and goes on from what it last knew while Redis is away.

import type { Redis } from 'ioredis';
import type { Clock } from '../../domain/clock.ts';
import type { LimitRule, LimitTable } from '../../domain/limits/limit-table.ts';
import { perRule } from '../../domain/limits/limit-table.ts';
import { requireAllowed } from '../../domain/limits/rate-limited.ts';
import type { LimitClass, LimitState, LimitSubject, RateLimiter } from '../../domain/limits/rate-limiter.ts';
import type { WindowState } from '../../domain/limits/sliding-window.ts';
import { counterKey, UseCounters } from '../use-counters.ts';
import { connectRedis } from './connection.ts';
import { countInRedis } from './sliding-window.ts';

/** No call waits longer for a Redis that hangs. */
const COMMAND_TIMEOUT_MS = 200;
/** For how long Redis is not asked after it has failed to answer. */
const HOLD_MS = 2_000;

export type RedisRateLimiterOptions = {
  readonly url: string;
  /** Put before every key, so that several installations share one Redis. */
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly table: LimitTable;
  /** Called once when Redis no longer counts, and once when it does again. */
  readonly onAway: (error: Error) => void;
  readonly onBack: () => void;
};

type Counted = {
  readonly rule: LimitRule;
  readonly keyPrefix: string;
  /** What this node knows of the shared counts. */
  readonly counters: UseCounters;
};

/**
 * Every node counts in the same windows, by the clock of Redis. Each caches what Redis last answered, so that a Redis that dies, hangs, or comes
 * back empty gives no client a fresh limit here, and a key that has used up its limit costs Redis nothing more.
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
      // The next command fails, and reports it.
      onFault: () => undefined,
    });
    this.#find = perRule(options.table, (rule, name) => ({
      rule,
      keyPrefix: `${options.keyPrefix}limits:${name}:`,
      counters: new UseCounters(rule, options.clock),
    }));
  }

  async consume(limitClass: LimitClass, subject: LimitSubject, key: string): Promise<LimitState | undefined> {
    const counted = this.#find(limitClass, subject);
    if (counted === undefined) return undefined;
    return requireAllowed(counted.rule, subject, await this.#count(counted, counterKey(key)));
  }

  requireLeft(limitClass: LimitClass, subject: LimitSubject, key: string): void {
    const counted = this.#find(limitClass, subject);
    const exhausted = counted?.counters.exhausted(counterKey(key));
    if (counted !== undefined && exhausted !== undefined) requireAllowed(counted.rule, subject, exhausted);
  }

  /** Closes the connection. */
  close(): void {
    this.#redis.disconnect();
  }

  async #count({ rule, keyPrefix, counters }: Counted, key: string): Promise<WindowState> {
    const isUsedUp = counters.exhausted(key) !== undefined;
    if (isUsedUp || performance.now() < this.#nextAskTime) return counters.add(key);
    // Taken before asking: what is kept here expires no later than what Redis holds.
    const askTime = this.#options.clock.now();
    const isConnected = this.#redis.status === 'ready';
    try {
      const { uses, isAllowed } = await countInRedis(this.#redis, keyPrefix + key, rule, askTime);
      this.#wentWell();
      return counters.adopt(key, uses, isAllowed);
    } catch (error) {
      // Without a connection nothing was sent, and no call waited.
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
