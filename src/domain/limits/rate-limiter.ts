// Port: how often something may be done.

/** Classes of limit; the proto files say which RPC counts toward which. */
export type LimitClass = 'register' | 'login' | 'mfa' | 'mail' | 'token' | 'credentials';

/** Whom a class counts by: the caller's address, or an account or mailbox. */
export type LimitSubject = 'address' | 'account';

/** What is left of a limit. Reset is when all of it is there again, in milliseconds from now. */
export type LimitState = { readonly limit: number; readonly remaining: number; readonly resetMs: number };

/**
 * Counts one use. The promise: uses are counted together on every node while Redis answers, on this node alone while it does not, and never
 * not at all. `key` is an address or an account's key. Undefined where the class does not count by that subject, or limits are off. Errors:
 * RATE_LIMITED, with the time to wait and the state as metadata.
 */
export type RateLimiter = {
  consume(limitClass: LimitClass, subject: LimitSubject, key: string): Promise<LimitState | undefined>;
};
