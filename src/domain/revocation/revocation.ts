// The three forms of revocation: one token, one session or API key, one subject's epoch.

/** What is revoked. */
export type RevocationTarget =
  | { readonly form: 'token'; readonly id: string }
  /** Holds from `effectTime`, at once without one: a key that is to end sooner than nodes that remember it know ends by this on time. */
  | { readonly form: 'session'; readonly id: string; readonly effectTime?: number | undefined }
  /** Every token of the subject whose `ver` is lower than `minVersion`. */
  | { readonly form: 'subject'; readonly id: string; readonly minVersion: number };

/** A revocation, kept until nothing that it revokes could still be in date. Times are epoch milliseconds. */
export type Revocation = RevocationTarget & { readonly revokeTime: number; readonly expireTime: number };

/**
 * How much longer than the credential a revocation is kept: clock skew between nodes, and a token that was being signed while its session
 * died.
 */
export const REVOCATION_MARGIN_MS = 120_000;

/** The revocation of `target` now, kept for as long as a token of `tokenTtlMs` signed just before it holds could live. */
export function revocation(target: RevocationTarget, now: number, tokenTtlMs: number): Revocation {
  const holdsFrom = target.form === 'session' ? Math.max(now, target.effectTime ?? now) : now;
  return { ...target, revokeTime: now, expireTime: holdsFrom + tokenTtlMs + REVOCATION_MARGIN_MS };
}
