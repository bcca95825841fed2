// Port: how often something may be done.

/** Classes of limit; the proto files say which RPC counts toward which. */
export type LimitClass = 'register' | 'login' | 'mfa' | 'mail' | 'token' | 'credentials';

/** Whom a class counts by: the caller's address, or an account or mailbox. */
export type LimitSubject = 'address' | 'account';

/** What is left of a limit. Reset is when all of it is there again, in milliseconds from now. */
export type LimitState = { readonly limit: number; readonly remaining: number; readonly resetMs: number };

/**
 * Counts one use. The promise: uses are counted together on every node while Redis answers, on this node alone while it does not, and never
 * not at all. `key` is an address or an account's key, of any length and the same for every spelling. Undefined where the class does not count
 * by that subject, or limits are off. Errors: RateLimitedError (RATE_LIMITED), with the time to wait.
 */
export type RateLimiter = {
  consume(limitClass: LimitClass, subject: LimitSubject, key: string): Promise<LimitState | undefined>;
};

/** The limiter where limits are off. */
export const unlimited: RateLimiter = { consume: async () => undefined };

/** The limiter as one call sees it: `note` is told of every state, so that the answer can tell the caller how much is left. */
export function noting(limiter: RateLimiter, note: (state: LimitState) => void): RateLimiter {
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
