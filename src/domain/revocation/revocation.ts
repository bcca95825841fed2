// The three forms of revocation: one token, one session or API key, one subject's epoch.

/** What is revoked. */
export type RevocationTarget =
  | { readonly form: 'token'; readonly id: string }
  | { readonly form: 'session'; readonly id: string }
  /** Every token of the subject whose `ver` is lower than `minVersion`. */
  | { readonly form: 'subject'; readonly id: string; readonly minVersion: number };

/** A revocation, kept until nothing that it revokes could still be in date. Times are epoch milliseconds. */
export type Revocation = RevocationTarget & { readonly revokeTime: number; readonly expireTime: number };

/**
 * How much longer than the credential a revocation is kept: clock skew between nodes, and a token that was being signed while its session
 * died.
 */
export const REVOCATION_MARGIN_MS = 120_000;

/** The revocation of `target` now, kept for as long as a token of `tokenTtlMs` signed a moment ago could live. */
export function revocation(target: RevocationTarget, now: number, tokenTtlMs: number): Revocation {
  return { ...target, revokeTime: now, expireTime: now + tokenTtlMs + REVOCATION_MARGIN_MS };
}
