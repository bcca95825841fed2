// How long audit events are kept, by whole months, and that there is always a month to write into.

import type { Clock, NewId } from '../clock.ts';
import type { Transact } from '../transactions.ts';

/** For use within a transaction. */
export type RetentionStore = {
  /** Takes the lock until the transaction ends; false when another transaction, on any node, has it. */
  tryLock(): Promise<boolean>;
  /** Makes the months up to this time that are not there. */
  extend(until: number): Promise<void>;
  /**
   * Deletes the months that lie wholly before this time, with their seals, and writes the event that records it, with this id. Resolves to
   * the time before which everything is gone, undefined when there was nothing to delete.
   */
  retire(before: number, eventId: string): Promise<number | undefined>;
};

export type KeepMonthsDeps = {
  readonly transact: Transact<{ readonly retention: RetentionStore }>;
  readonly clock: Clock;
  readonly newId: NewId;
  /** How long events are kept at least, in milliseconds; `off` for ever. */
  readonly auditRetention: number | 'off';
};

// A little less than the thirteenth month begins, so that each look makes one month at most.
const MONTHS_AHEAD_MS = 365 * 86_400_000;

/**
 * Makes the coming months, then retires those that are older than is kept. Any number of nodes may call it: one at a time works. Resolves to
 * the time before which events were deleted now. Errors: STORAGE_UNAVAILABLE, also when a long transaction keeps a month in use; nothing
 * has happened then, and another call will do it.
 */
export async function keepMonths(deps: KeepMonthsDeps): Promise<number | undefined> {
  const { transact, clock, newId, auditRetention } = deps;
  await transact(async ({ retention }) => {
    if (await retention.tryLock()) await retention.extend(clock.now() + MONTHS_AHEAD_MS);
  });
  if (auditRetention === 'off') return undefined;
  return transact(async ({ retention }) =>
    (await retention.tryLock()) ? retention.retire(clock.now() - auditRetention, newId()) : undefined,
  );
}
