// Rate limits and the lockout rule.

import type { Config } from '../config.ts';
import type { Clock } from '../domain/clock.ts';
import type { RateLimiter } from '../domain/limits/rate-limiter.ts';
import { unlimited } from '../domain/limits/rate-limiter.ts';
import { memoryRateLimiter } from '../storage/memory/rate-limiter.ts';
import { RedisRateLimiter } from '../storage/redis/rate-limiter.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Base } from './base.ts';

/** What counts uses and failures. */
export function wireLimits({ config, logger, clock }: Pick<Base, 'config' | 'logger' | 'clock'>) {
  return {
    rateLimiter: openRateLimiter(config, logger, clock),
    lockoutRule: { maxFailures: config.LOCKOUT_FAILURES, lockMs: config.LOCKOUT_TIME },
  };
}

function openRateLimiter(config: Config, logger: Logger, clock: Clock): RateLimiter & { close?(): void } {
  if (config.RATE_LIMITS === 'off') return unlimited;
  if (config.REDIS_URL === undefined) return memoryRateLimiter(clock, config.LIMITS);
  return new RedisRateLimiter({
    url: config.REDIS_URL,
    keyPrefix: config.REDIS_KEY_PREFIX,
    clock,
    table: config.LIMITS,
    onAway: ({ message: reason }) =>
      logger.warn({ reason }, 'redis is away; limits are counted on this node alone'),
    onBack: () => logger.info('redis is back; limits are counted together'),
  });
}
