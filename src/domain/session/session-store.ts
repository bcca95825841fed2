// Port: where sessions are kept. One row each.

import type { AuditEvent, CallOrigin } from '../audit/audit-event.ts';
import type { User } from '../account/user.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Session } from './session.ts';

/** A step of a session from `generation` to the next. */
export type Rotation = {
  readonly sessionId: string;
  /** The generation that the step starts from; another one now means that another call was first. */
  readonly generation: number;
  /** The session's salt as the token has it. */
  readonly salt: Uint8Array;
  readonly now: number;
  /** When the session ends unless refreshed before; its `maxExpireTime` bounds it. */
  readonly expireTime: number;
  readonly ipAddress: string;
  readonly userAgent: string;
};

/** A use of a session by its cookie. Times are epoch milliseconds. */
export type Touch = {
  readonly sessionId: string;
  readonly now: number;
  /** When the session ends unless used again; its `maxExpireTime` bounds it. */
  readonly expireTime: number;
  /** A session that was seen later is left as it is. */
  readonly seenBefore: number;
};

/** A session that goes on under another refresh token or cookie. Times are epoch milliseconds. */
export type Renewal = {
  readonly sessionId: string;
  readonly userId: string;
  /** The epoch that the session is of; it is carried over to its owner's present one. */
  readonly epoch: number;
  readonly salt: Uint8Array;
  /** Whether every refresh token before is dead at once; else they end as by a refresh. A cookie before is dead in any case. */
  readonly endsTokens: boolean;
  /** What the person has proved just now (RFC 8176), added to what the session says; undefined when nothing. */
  readonly proof: Pick<Session, 'authTime' | 'amr'> | undefined;
  readonly now: number;
  /** When the session ends unless refreshed or used before; its `maxExpireTime` bounds it. */
  readonly expireTime: number;
  readonly origin: Pick<CallOrigin, 'ipAddress' | 'userAgent'>;
};

/** What a step answers about the session and its owner: as much as new tokens say. */
export type Rotated = {
  readonly session: Pick<Session, 'scopes' | 'amr' | 'authTime' | 'expireTime' | 'maxExpireTime'>;
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
  /** Added to what the kept session has proved; may be empty. */
  readonly amr: readonly string[];
  /** Sessions seen later may still have an access token in date, also those that have expired. */
  readonly seenSince: number;
  readonly now: number;
  /** How long their revocations are kept. */
  readonly expireTime: number;
};

/** A session as it was found, and when by the database's clock (epoch milliseconds), which is the clock of `rotateTime`. */
export type FoundInStore = { readonly session: Session; readonly user: User; readonly readTime: number };

export type SessionStore = {
  /** Writes a new session, and with it, in the same round trip, the new audit event that records it. */
  insert(session: Session, event?: AuditEvent): Promise<void>;
  /** The session with its owner, also when it is dead; undefined when there is none. One round trip. */
  findWithUser(id: string): Promise<FoundInStore | undefined>;
  /**
   * Compare-and-swap of the generation; undefined, and nothing changed, when the generation or the salt is another one, when the session
   * or its owner is not alive, or when it is a cookie's. `rotateTime` becomes the database's time at which the step is made, however long it was under
   * way. One round trip, one commit.
   */
  rotate(rotation: Rotation): Promise<Rotated | undefined>;
  /**
   * Moves the ends of a live cookie session on, never back and never beyond its `maxExpireTime`; leaves any other session alone, and one that
   * another transaction has locked. One round trip, one commit.
   */
  touch(touch: Touch): Promise<void>;
  /** Gives a live session its next refresh token or cookie; undefined, and nothing changed, when it is not alive. For use in a transaction. */
  renew(renewal: Renewal): Promise<Session | undefined>;
  /** Ends a session of `userId`, also one that has expired; false when there is none such, or it was revoked before. */
  revoke(id: string, userId: string, now: number): Promise<boolean>;
  /**
   * Raises the user's epoch and carries `keptId` over to it; undefined, when that session is not alive: then the transaction must come to
   * nothing. Writes and answers the revocations of those others that are live or were seen after `seenSince`: a refresh of a live one that began
   * before the commit may be noted only afterwards, and issues an access token all the same.
   */
  endOthers(input: EndOthers): Promise<readonly Revocation[] | undefined>;
  listLive(query: SessionPageQuery): Promise<readonly Session[]>;
};
