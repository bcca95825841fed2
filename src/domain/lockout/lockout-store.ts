// Port: where failures are counted.

/** Failures in a row, and until when the counter is locked for them. */
export type FailureCount = {
  readonly failures: number;
  readonly lockedUntil: number | undefined;
  /** Whether this very failure locked it. */
  readonly lockedNow: boolean;
};

export type LockoutRule = {
  readonly maxFailures: number;
  /** How long a lock lasts, and after how long without a failure the count begins anew. Milliseconds. */
  readonly lockMs: number;
};

/** Locked counters, and until when each is. */
export type Locks = ReadonlyMap<string, number>;

/** Counters by key: see `FailureCounter`. */
export type LockoutStore = {
  /** Those of the counters that are locked at `now`, in one look. */
  findLocks(keys: readonly string[], now: number): Promise<Locks>;
  /** Counts one failure; one while the counter is locked does not lock it longer. Concurrent failures are counted one by one. */
  count(key: string, now: number, rule: LockoutRule): Promise<FailureCount>;
  /**
   * Deletes the counters, except those locked at `now`: they stay so, and are the answer. Locks the rows for update, in the order of `keys`, so that
   * a success and the failure that locks are one after the other: for use within a transaction.
   */
  clear(keys: readonly string[], now: number): Promise<Locks>;
  /** Deletes the counters and the locks that they brought, in the order of `keys`; false when there were none. For use within a transaction. */
  deleteAll(keys: readonly string[]): Promise<boolean>;
};
