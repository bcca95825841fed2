// Port: where failures are counted.

/** Failures in a row, and until when the account is locked for them. */
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

/** Counts by account key: see `lockoutKey`. */
export type LockoutStore = {
  /** Until when the account is locked; undefined when it is not at `now`. */
  lockedUntil(key: string, now: number): Promise<number | undefined>;
  /** Counts one failure; one while the account is locked does not lock it longer. Concurrent failures are counted one by one. */
  count(key: string, now: number, rule: LockoutRule): Promise<FailureCount>;
  /**
   * Forgets the failures, unless the account is locked at `now`: then it stays so, and the answer is until when. Holds the row until the
   * transaction ends, so that a success and the failure that locks are one after the other: for use within one.
   */
  clear(key: string, now: number): Promise<number | undefined>;
  /** Forgets the failures and the lock that they brought; false when there were none. */
  forget(key: string): Promise<boolean>;
};
