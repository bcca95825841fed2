// Port: turns passwords into hashes and checks them, at a bounded cost.

/**
 * The work runs off the event loop behind a bounded queue. Errors: OVERLOADED, at once and with a retry delay, when the queue is full;
 * nothing has been computed then. CALL_CANCELLED when `signal` aborts while the work waits for its turn.
 */
export type PasswordHasher = {
  /**
   * Runs `work`, which will hash or verify once it has looked something up, if the queue has a place for its password. Errors: OVERLOADED before
   * `work` has begun, so that a flood costs the database nothing; whatever `work` throws.
   */
  admit<Result>(work: () => Promise<Result>): Promise<Result>;
  /** A PHC string with its own salt, of the password's NFC. */
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /**
   * Whether `password`, as it was sent, made `hash`, by whichever algorithm: in NFC as ours are, as it stands, or in NFKC, as other systems have it. How
   * many of these differ, three at most, depends on the password alone. For an undefined hash (no such account, or one without a password), a text that is
   * none and one that would cost too much it is false, and takes the time of an account's hash: which account's, `identifier` decides, so that it is the
   * same at every attempt; one with today's parameters where there is none.
   */
  verify(
    hash: string | undefined,
    password: string,
    signal?: AbortSignal,
    identifier?: string,
  ): Promise<boolean>;
  /** Whether `hash` was made by another algorithm or with other parameters than today's. */
  needsRehash(hash: string): boolean;
};
