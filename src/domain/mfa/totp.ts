// Time-based one-time codes (RFC 6238): the second factor.

/** A factor as it is kept. Times are epoch milliseconds. */
export type TotpFactor = {
  readonly userId: string;
  /** Distinguishes it from any other factor that the user has had, also when its secret has been sealed anew. */
  readonly enrolment: string;
  /** Sealed by the master key. */
  readonly sealedSecret: Uint8Array;
  /** Undefined while it waits for its first code. */
  readonly confirmTime: number | undefined;
  readonly createTime: number;
  /** The newest time step whose code was used (RFC 6238, section 5.2: a code is taken once). */
  readonly lastUsedStep: number;
};

/** How long a factor waits for its first code, in milliseconds. */
export const PENDING_MS = 10 * 60_000;

/** Port: codes and the URI for an authenticator app. A secret is base32 (RFC 4648). */
export type Totp = {
  /** 160 random bits (RFC 4226, section 4, R6). */
  newSecret(): string;
  /**
   * The time step whose code this is: the one at `now` (epoch milliseconds) or a neighbour of it, for clocks that differ. Undefined for any
   * other text.
   */
  matchedStep(secret: string, code: string, now: number): number | undefined;
  /** The key URI by which an app learns the secret and under which name to show it. */
  keyUri(secret: string, issuer: string, account: string): string;
};

/** Port: secrets as they are kept, each of use for its own user alone. */
export type TotpSecrets = {
  seal(userId: string, secret: string): Uint8Array;
  unseal(userId: string, sealed: Uint8Array): string;
};
