// Revocations as a node knows them, and the channel that brings them.

import type { Config } from '../config.ts';
import { ClockSkew } from '../domain/clock-skew.ts';
import type { RedisState } from '../domain/health/readiness.ts';
import type { RevocationChannel } from '../domain/revocation/revocation-channel.ts';
import { RevocationIndex } from '../domain/revocation/revocation-index.ts';
import { memoryRevocationChannel } from '../storage/memory/revocation-channel.ts';
import { RedisRevocationChannel } from '../storage/redis/revocation-channel.ts';
import type { Logger } from '../telemetry/logger.ts';
import { skewLog } from '../telemetry/skew-log.ts';
import type { Base } from './base.ts';

/** The index, the channel, and how far this node's clock is off. */
export function wireRevocation({ config, logger, clock }: Pick<Base, 'config' | 'logger' | 'clock'>) {
  return {
    revocationIndex: new RevocationIndex({ clock, databaseOutageGraceMs: config.DATABASE_OUTAGE_GRACE }),
    revocationChannel: openChannel(config, logger),
    onChannelFailure: (error: unknown) =>
      logger.warn({ err: error }, 'revocation not published; other nodes learn it from the database'),
    clockSkew: new ClockSkew({
      maxMs: config.MAX_CLOCK_SKEW,
      onChange: skewLog(logger, config.MAX_CLOCK_SKEW),
    }),
    databaseOutageGraceMs: config.DATABASE_OUTAGE_GRACE,
  };
}

type CheckedChannel = RevocationChannel & { probe?(): Promise<RedisState> };

function openChannel(config: Config, logger: Logger): CheckedChannel {
  if (config.REDIS_URL === undefined)
    return memoryRevocationChannel({ isWhole: config.DATABASE_URL === undefined });
  // A Redis that is away fails many times a second: its loss and its return are logged, once each.
  let isAway = false;
  return new RedisRevocationChannel({
    url: config.REDIS_URL,
    keyPrefix: config.REDIS_KEY_PREFIX,
    onFault: (error) => {
      if (!isAway)
        logger.warn({ reason: error.message }, 'redis is away; revocations come from the database');
      isAway = true;
    },
    onReady: () => {
      if (isAway) logger.info('redis is back');
      isAway = false;
    },
  });
}
