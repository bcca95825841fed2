// Port: how often something may be done.

/**
 * Classes of limit; the proto files say which RPC counts toward which. Three are no RPC's: `introspect` is the HTTP endpoint's, `malformed` is
 * charged for requests that break their rules, `api_key` for keys without a checksum that are looked up in vain.
 */
export type LimitClass =
  | 'register'
  | 'login'
  | 'mfa'
  | 'mail'
  | 'token'
  | 'credentials'
  | 'exchange'
  | 'refresh'
  | 'revoke'
  | 'introspect'
  | 'malformed'
  | 'api_key';

/** Whom a class counts by: the caller's address, or an account or mailbox. */
export type LimitSubject = 'address' | 'account';

/** What is left of a limit. Reset is when all of it is there again, in milliseconds from now. */
export type LimitState = { readonly limit: number; readonly remaining: number; readonly resetMs: number };

/**
 * Counts uses in sliding windows: any span of a window's length holds as many as the limit allows at most. The promise: uses are counted
 * together on every node while Redis answers, on this node alone while it does not, and never not at all. A refused use is not counted. `key`
 * is an address or an account's key, of any length and the same for every spelling.
 */
export type RateLimiter = {
  /**
   * Counts one use. Undefined where the class does not count by that subject, or limits are off. Errors: RateLimitedError (RATE_LIMITED), with
   * the time to wait.
   */
  consume(limitClass: LimitClass, subject: LimitSubject, key: string): Promise<LimitState | undefined>;
  /**
   * Counts nothing, and asks no other machine: for limits that are charged for failures alone, before the work. Errors: RateLimitedError
   * when this node knows that nothing is left.
   */
  requireLeft(limitClass: LimitClass, subject: LimitSubject, key: string): void;
};

/** The limiter where limits are off. */
export const unlimited: RateLimiter = { consume: async () => undefined, requireLeft: () => undefined };

/** The limiter as one call sees it: `note` gets every state, so that the response can say how much is left. */
export function noting(
  limiter: Pick<RateLimiter, 'consume'>,
  note: (state: LimitState) => void,
): Pick<RateLimiter, 'consume'> {
  return {
    async consume(limitClass, subject, key) {
      const state = await limiter.consume(limitClass, subject, key);
      if (state !== undefined) note(state);
      return state;
    },
  };
}

/** The state that leaves less; of two that leave as much, the one that takes longer. */
export function tighter(one: LimitState | undefined, other: LimitState): LimitState {
  if (one === undefined || other.remaining < one.remaining) return other;
  if (other.remaining > one.remaining) return one;
  return other.resetMs > one.resetMs ? other : one;
}
