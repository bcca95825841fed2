// Port: a new password in the place of the old one, and what it does to the sessions.

import type { Revocation } from '../revocation/revocation.ts';
import type { User, UserWithPassword } from './user.ts';

/** A change whose current password was right a moment ago. */
export type PasswordChange = {
  readonly userId: string;
  /** The hash that the current password was checked against. */
  readonly checkedHash: string;
  readonly newHash: string;
  /** The calling session, which goes on. */
  readonly sessionId: string;
  readonly now: number;
};

/** The other sessions that may have good access tokens, or may still get some. */
export type OtherSessions = {
  readonly userId: string;
  readonly sessionId: string;
  /** How long after its session was last seen an access token may be good, in milliseconds. */
  readonly tokenLifeMs: number;
  /** When their revocations may be forgotten. */
  readonly expireTime: number;
  readonly now: number;
};

export type PasswordChangeStore = {
  /** The account with its hash; undefined when there is none. */
  find(userId: string): Promise<UserWithPassword | undefined>;
  /**
   * Compare-and-set of the hash. Raises the session epoch, so that every session but the calling one, which is carried over to the new epoch,
   * is dead; the token version stays. Holds the account until the transaction ends. `conflict`, and nothing is written, when the stored hash
   * is another one or the account is not active; `session_ended` when the calling session is not alive: the caller must then throw, for the
   * rest has been written.
   */
  replace(change: PasswordChange): Promise<User | 'conflict' | 'session_ended'>;
  /** Writes a revocation for each of the other sessions; after `replace`. */
  revokeOthers(others: OtherSessions): Promise<readonly Revocation[]>;
};
