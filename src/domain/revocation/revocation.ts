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

/**
 * The revocation of `target` now, kept for as long as a token of `tokenTtlMs` signed just before it holds could live. Other nodes may issue tokens
 * that live longer: the store keeps what it is given for as long as theirs.
 */
export function revocation(target: RevocationTarget, now: number, tokenTtlMs: number): Revocation {
  const holdsFrom = target.form === 'session' ? Math.max(now, target.effectTime ?? now) : now;
  return { ...target, revokeTime: now, expireTime: holdsFrom + tokenTtlMs + REVOCATION_MARGIN_MS };
}

/** The revocation of one access token now, kept until it has expired on every node: no configuration of today says how long it lives. */
export function tokenRevocation(
  token: { readonly tokenId: string; readonly expiresAt: number },
  now: number,
): Extract<Revocation, { form: 'token' }> {
  const { tokenId: id, expiresAt } = token;
  return { form: 'token', id, revokeTime: now, expireTime: expiresAt + REVOCATION_MARGIN_MS };
}
