// Port: where sessions are kept. One row each.

import type { User } from '../account/user.ts';
import type { Session } from './session.ts';

/** A step of a session from `generation` to the next. */
export type Rotation = {
  readonly sessionId: string;
  /** The generation that the step starts from; another one now means that somebody else was first. */
  readonly generation: number;
  /** The owner's epoch as read; a step under another one does not happen. */
  readonly epoch: number;
  readonly now: number;
  readonly expireTime: number;
  readonly ipAddress: string;
  readonly userAgent: string;
};

/** A page of a user's live sessions: newest first, strictly older than `before`. */
export type SessionPageQuery = {
  readonly userId: string;
  readonly epoch: number;
  readonly now: number;
  readonly before: { readonly createTime: number; readonly id: string } | undefined;
  readonly limit: number;
};

export type SessionStore = {
  insert(session: Session): Promise<void>;
  /** The session with its owner, also when it is dead; undefined when there is none. One round trip. */
  findWithUser(id: string): Promise<{ readonly session: Session; readonly user: User } | undefined>;
  /**
   * Compare-and-swap of the generation; false when another call was first, or when the session or its owner died meanwhile. One statement,
   * one commit.
   */
  rotate(rotation: Rotation): Promise<boolean>;
  /** Ends a live session of `userId`; false when there is none such. */
  revoke(id: string, userId: string, now: number): Promise<boolean>;
  listLive(query: SessionPageQuery): Promise<readonly Session[]>;
};
