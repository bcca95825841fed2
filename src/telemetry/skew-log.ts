// Logs when this node's clock leaves the bound around the database's, and when it is back.

import type { SkewStatus } from '../domain/clock-skew.ts';
import type { Logger } from './logger.ts';

/** A listener for changes of the skew. `maxMs` is LATCHKEY_MAX_CLOCK_SKEW. */
export function skewLog(logger: Logger, maxMs: number | 'off'): (status: SkewStatus) => void {
  return ({ aheadMs, isWithinBound }) => {
    if (isWithinBound) logger.info({ aheadMs }, "this node's clock agrees with the database's again");
    else
      logger.error(
        { aheadMs, maxMs },
        "this node's clock and the database's are further apart than LATCHKEY_MAX_CLOCK_SKEW; the node is not ready until they agree",
      );
  };
}
