// Time-based one-time codes (RFC 6238): the second factor.

/** A factor as it is kept. Times are epoch milliseconds. */
export type TotpFactor = {
  readonly userId: string;
  /** Sealed by the master key. */
  readonly sealedSecret: Uint8Array;
  /** Undefined while it waits for its first code. */
  readonly confirmTime: number | undefined;
  readonly createTime: number;
  /** The newest time step whose code was used (RFC 6238, section 5.2: a code is taken once). */
  readonly lastUsedStep: number;
};
