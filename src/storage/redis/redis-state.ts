// What Redis' own words and its mode say about whether it can carry revocations.

import { Redis } from 'ioredis';
import type { RedisState } from '../../domain/health/readiness.ts';

const CHECK_TIMEOUT_MS = 2_000;

// Error replies begin with a code in capitals.
const STATES: ReadonlyArray<readonly [RegExp, RedisState]> = [
  [/^READONLY\b/, 'read_only'],
  [/^(?:OOM|MISCONF)\b/, 'full'],
  [/^WRONGTYPE\b/, 'wrong_type'],
  [/^(?:NOAUTH|WRONGPASS|NOPERM)\b/, 'forbidden'],
  [/^(?:MOVED|ASK|CROSSSLOT|CLUSTERDOWN|TRYAGAIN)\b/, 'cluster'],
  [/^LOADING\b/, 'loading'],
  // A Sentinel knows no streams.
  [/^ERR unknown command/i, 'sentinel'],
  [/^(?:NOREPLICAS|MASTERDOWN|BUSY|ERR)\b/, 'failing'],
];

/** The state that the error of a command shows. */
export function redisStateOf(error: unknown): RedisState {
  const message = error instanceof Error ? error.message : '';
  return STATES.find(([codes]) => codes.test(message))?.[1] ?? 'down';
}

/**
 * The mode of the server, as INFO reports it; undefined when it cannot be asked now, or does not say. A Redis that is away is no reason not to
 * start.
 */
export async function redisMode(url: string): Promise<string | undefined> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CHECK_TIMEOUT_MS,
    commandTimeout: CHECK_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return /^redis_mode:(\w+)/m.exec(await redis.info('server'))?.[1];
  } catch {
    return undefined;
  } finally {
    redis.disconnect();
  }
}
