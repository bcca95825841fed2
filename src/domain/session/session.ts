// A session: one login of one user on one device, however often its refresh token rotates.

import { intersectScopes } from '../access/scope.ts';
import type { User } from '../account/user.ts';

/** A session as it is kept. Times are epoch milliseconds. */
export type Session = {
  readonly id: string;
  readonly userId: string;
  /** Which refresh token is the current one. */
  readonly generation: number;
  /** A browser's: it is used by its cookie and has no tokens. */
  readonly usesCookie: boolean;
  /** Goes into the MAC of its refresh tokens, or of its cookie. */
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
  /** When `generation` was last raised, by the database's clock; undefined before the first refresh. */
  readonly rotateTime: number | undefined;
  /** Ends here unless refreshed, or used by its cookie, before. */
  readonly expireTime: number;
  /** Ends here however often it is refreshed or used. */
  readonly maxExpireTime: number;
  readonly revokeTime: number | undefined;
};

/** Why the session is over; undefined while it lives. */
export function endingOf(
  session: Pick<Session, 'revokeTime' | 'epoch' | 'expireTime' | 'maxExpireTime'>,
  user: Pick<User, 'sessionEpoch' | 'status'>,
  now: number,
): 'revoked' | 'expired' | undefined {
  if (session.revokeTime !== undefined || session.epoch !== user.sessionEpoch || user.status !== 'active')
    return 'revoked';
  return now < session.expireTime && now < session.maxExpireTime ? undefined : 'expired';
}

/** What the session may carry: what its login asked for, as far as `granted` by the owner's role now. */
export function scopesOfSession(
  { scopes }: Pick<Session, 'scopes'>,
  granted: ReadonlySet<string>,
): readonly string[] {
  return scopes === undefined ? [...granted] : intersectScopes(scopes, granted);
}
