// What a node depends on, the database and Redis: checked when it starts, probed while it runs.

import type { App } from './app.ts';
import { ConfigError } from './config.ts';
import { HealthProbes } from './jobs/health-probes.ts';
import { redisMode } from './storage/redis/redis-state.ts';

/**
 * Refuses a Sentinel and a node of a Cluster, which take some of our commands and lose others, and warns of a pooler that may not keep prepared
 * statements apart. A Redis that cannot be asked now is no reason not to start. Errors: ConfigError.
 */
export async function checkDependencies({ config, database, logger }: App): Promise<void> {
  // Which pooler it is cannot be asked; whether it can do it shows when a session changes hands.
  if (database.limitsBy === 'transaction' && config.PREPARED_STATEMENTS === 'on')
    logger.warn(
      'a pooler stands before the database; if it is PgBouncer older than 1.21 or without max_prepared_statements, set LATCHKEY_PREPARED_STATEMENTS=off',
    );
  const mode = config.REDIS_URL === undefined ? undefined : await redisMode(config.REDIS_URL);
  if (mode !== 'sentinel' && mode !== 'cluster') return;
  const what = mode === 'sentinel' ? 'a Redis Sentinel' : 'a node of a Redis Cluster';
  throw new ConfigError(
    `LATCHKEY_REDIS_URL: ${what} answers there, which is not supported; name one Redis that runs by itself`,
  );
}

/** The probes of the database and of Redis. They log when a part's state changes. */
export function healthProbes({ config, database, logger, revocationChannel }: App): HealthProbes {
  const onFault = (error: unknown) => logger.debug({ err: error }, 'the database did not take a probe');
  const probeRedis = async () => (await revocationChannel.probe?.()) ?? 'down';
  return new HealthProbes({
    probeDatabase: () => database.probe(onFault),
    probeRedis: config.REDIS_URL === undefined ? undefined : probeRedis,
    onChange: (part, state) => {
      if (state === 'up') logger.info({ part }, 'the probe succeeds again');
      else logger.warn({ part, state }, 'the probe failed; readiness is degraded');
    },
  });
}
