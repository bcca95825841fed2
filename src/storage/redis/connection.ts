// Connections to Redis that fail fast and heal by themselves.

import { Redis } from 'ioredis';

const CONNECT_TIMEOUT_MS = 2_000;
const MAX_RECONNECT_DELAY_MS = 1_000;

export type RedisOptions = {
  /** A command without an answer for so long has failed. */
  readonly commandTimeoutMs: number;
  /** Called for every fault of the connection; commands report their own. */
  readonly onFault: (error: Error) => void;
};

/** A connection that reconnects for ever and keeps no commands for later: a caller learns at once that Redis is away. */
export function connectRedis(url: string, options: RedisOptions): Redis {
  const redis = new Redis(url, {
    connectionName: 'latchkey',
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: options.commandTimeoutMs,
    // A connection that has gone dead without a word is given up with its command, and made anew.
    socketTimeout: options.commandTimeoutMs,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => Math.min(50 * attempt, MAX_RECONNECT_DELAY_MS),
  });
  redis.on('error', options.onFault);
  return redis;
}

/** Resolves when the connection is usable. Errors: when it is not within `timeoutMs`. */
export async function redisReady(redis: Redis, timeoutMs: number): Promise<void> {
  if (redis.status === 'ready') return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`Redis did not answer within ${timeoutMs} ms`)), timeoutMs);
  redis.once('ready', resolve);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    redis.off('ready', resolve);
  }
}
