// The rate limiter of a single process: what Redis is to many.

import type { Clock } from '../../domain/clock.ts';
import type { LimitTable } from '../../domain/limits/limit-table.ts';
import { perRule } from '../../domain/limits/limit-table.ts';
import { requireAllowed } from '../../domain/limits/rate-limited.ts';
import type { RateLimiter } from '../../domain/limits/rate-limiter.ts';
import { counterKey, UseCounters } from '../use-counters.ts';

/** Counts in this process alone, by the rules of `table`. */
export function memoryRateLimiter(clock: Clock, table: LimitTable): RateLimiter {
  const find = perRule(table, (rule) => ({ rule, counters: new UseCounters(rule, clock) }));
  return {
    async consume(limitClass, subject, key) {
      const counted = find(limitClass, subject);
      if (counted === undefined) return undefined;
      return requireAllowed(counted.rule, subject, counted.counters.add(counterKey(key)));
    },
    requireLeft(limitClass, subject, key) {
      const counted = find(limitClass, subject);
      const exhausted = counted?.counters.exhausted(counterKey(key));
      if (counted !== undefined && exhausted !== undefined) requireAllowed(counted.rule, subject, exhausted);
    },
  };
}
