// A session: one login of one user on one device, however often its refresh token rotates.

/** A session as it is kept. Times are epoch milliseconds. */
export type Session = {
  readonly id: string;
  readonly userId: string;
  /** Which refresh token is the current one. */
  readonly generation: number;
  /** Goes into the MAC of its refresh tokens. */
  readonly salt: Uint8Array;
  /** What the login asked for; undefined for all that the role grants. */
  readonly scopes: readonly string[] | undefined;
  /** The user's `sessionEpoch` when it was opened; lower than today's means dead. */
  readonly epoch: number;
  readonly deviceName: string;
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly amr: readonly string[];
  readonly authTime: number;
  readonly createTime: number;
  readonly lastSeenTime: number;
  /** When `generation` was last raised; undefined before the first refresh. */
  readonly rotateTime: number | undefined;
  /** Ends here unless refreshed before. */
  readonly expireTime: number;
  /** Ends here however often it is refreshed. */
  readonly maxExpireTime: number;
  readonly revokeTime: number | undefined;
};
