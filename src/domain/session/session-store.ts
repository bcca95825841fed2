// Port: where sessions are kept. One row each.

import type { User } from '../account/user.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Session } from './session.ts';

/** A step of a session from `generation` to the next. */
export type Rotation = {
  readonly sessionId: string;
  /** The generation that the step starts from; another one now means that somebody else was first. */
  readonly generation: number;
  /** The session's salt as the token has it. */
  readonly salt: Uint8Array;
  readonly now: number;
  /** When the session ends unless refreshed before; its `maxExpireTime` bounds it. */
  readonly expireTime: number;
  readonly ipAddress: string;
  readonly userAgent: string;
};

/** What a step tells of the session and its owner: as much as new tokens say. */
export type Rotated = {
  readonly session: Pick<Session, 'scopes' | 'amr' | 'authTime'>;
  readonly user: Pick<User, 'id' | 'role' | 'tokenVersion'>;
};

/** A page of a user's live sessions: newest first, strictly older than `before`. */
export type SessionPageQuery = {
  readonly userId: string;
  readonly epoch: number;
  readonly now: number;
  readonly before: { readonly createTime: number; readonly id: string } | undefined;
  readonly limit: number;
};

/** The end of all the user's sessions but one. */
export type EndOthers = {
  readonly userId: string;
  /** The session that lives on. */
  readonly keptId: string;
  /** Added to what the kept session has proved. */
  readonly amr: readonly string[];
  /** Sessions seen later may still have an access token in date. */
  readonly seenSince: number;
  readonly now: number;
  /** How long their revocations are kept. */
  readonly expireTime: number;
};

export type SessionStore = {
  insert(session: Session): Promise<void>;
  /** The session with its owner, also when it is dead; undefined when there is none. One round trip. */
  findWithUser(id: string): Promise<{ readonly session: Session; readonly user: User } | undefined>;
  /**
   * Compare-and-swap of the generation; undefined, and nothing changed, when the generation or the salt is another one, or when the session
   * or its owner is not alive. One round trip, one commit.
   */
  rotate(rotation: Rotation): Promise<Rotated | undefined>;
  /** Ends a live session of `userId`; false when there is none such. */
  revoke(id: string, userId: string, now: number): Promise<boolean>;
  /**
   * Raises the user's epoch, carries `keptId` over to it and ends the others, also one that is being rotated; undefined when `keptId` is not
   * alive: then the transaction must come to nothing. Writes and answers the revocations of those that may still have an access token in date.
   */
  endOthers(input: EndOthers): Promise<readonly Revocation[] | undefined>;
  listLive(query: SessionPageQuery): Promise<readonly Session[]>;
};
