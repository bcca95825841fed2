// Finds the sessions of cookies, and moves those that are used on in time. What was read is remembered for a moment, so that a page with many
// calls costs one read.

import type { User } from '../account/user.ts';
import type { Clock } from '../clock.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import { isOfSession } from './refresh-token.ts';
import type { SessionCookieCodec, SessionCookieContent } from './session-cookie.ts';
import type { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** How long a session is believed before it is read again. Revocations do not wait for it: they are checked on every call. */
export const SESSION_MEMORY_MS = 5_000;
/** Uses within so long of the last one noted are not noted, unless sessions are very short. */
export const TOUCH_INTERVAL_MS = 60_000;
const TOUCHES_IN_A_LIFE = 10;
const MAX_REMEMBERED = 10_000;

/** A session with its owner, as they were when they were read. */
export type FoundSession = { readonly session: Session; readonly user: User };

export type SessionDirectoryDeps = {
  readonly sessions: Pick<SessionStore, 'findWithUser' | 'touch'>;
  readonly sessionCookieCodec: Pick<SessionCookieCodec, 'read'>;
  readonly tokenPolicy: Pick<TokenPolicy, 'refreshTokenTtlMs'>;
  readonly clock: Clock;
  /** Told when a use could not be noted; the next one is again. */
  readonly onTouchFailure: (error: unknown) => void;
};

type Remembered = { readonly found: FoundSession; readonly until: number };

/** The cookie sessions that this node has seen of late. */
export class SessionDirectory {
  readonly #deps: SessionDirectoryDeps;
  readonly #touchIntervalMs: number;
  readonly #remembered = new Map<string, Remembered>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(deps: SessionDirectoryDeps) {
    this.#deps = deps;
    this.#touchIntervalMs = Math.min(
      TOUCH_INTERVAL_MS,
      deps.tokenPolicy.refreshTokenTtlMs / TOUCHES_IN_A_LIFE,
    );
  }

  /**
   * The session of this cookie, dead or alive; undefined when the cookie is forged, or its session has no row (any more) or hands out tokens
   * instead. `minVersionOf` is the owner's lowest good epoch: what was read under a lower one is read again. Errors: STORAGE_UNAVAILABLE.
   */
  find(cookie: string, minVersionOf: (userId: string) => number): MaybePromise<FoundSession | undefined> {
    const content = this.#deps.sessionCookieCodec.read(cookie);
    if (content === undefined) return undefined;
    const remembered = this.#remembered.get(content.sessionId);
    if (remembered !== undefined && this.#deps.clock.now() < remembered.until) {
      const { found } = remembered;
      if (!isOutdated(found, minVersionOf)) return isOfSession(content, found.session) ? found : undefined;
    }
    return this.#lookUp(content, minVersionOf);
  }

  /** Moves the session's idle end on, now and then; the caller does not wait for it. */
  noteUse({ session, user }: FoundSession): void {
    const now = this.#deps.clock.now();
    if (now - session.lastSeenTime < this.#touchIntervalMs) return;
    const expireTime = Math.min(now + this.#deps.tokenPolicy.refreshTokenTtlMs, session.maxExpireTime);
    const remembered = this.#remembered.get(session.id);
    const found = { session: { ...session, lastSeenTime: now, expireTime }, user };
    if (remembered !== undefined) this.#remembered.set(session.id, { ...remembered, found });
    const seenBefore = now - this.#touchIntervalMs;
    const touched = this.#deps.sessions
      .touch({ sessionId: session.id, now, expireTime, seenBefore })
      .catch((error: unknown) => this.#deps.onTouchFailure(error))
      .finally(() => this.#underWay.delete(touched));
    this.#underWay.add(touched);
  }

  /** Resolves when every use that was noted is written down, or has failed to be. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #lookUp(
    content: SessionCookieContent,
    minVersionOf: (userId: string) => number,
  ): Promise<FoundSession | undefined> {
    let found = await this.#read(content);
    // The owner's epoch rose while the row was on its way: what this node has heard of is committed, so the second look sees it.
    if (found !== undefined && isOutdated(found, minVersionOf)) found = await this.#read(content);
    if (found !== undefined) this.#remember(found);
    return found;
  }

  async #read(content: SessionCookieContent): Promise<FoundSession | undefined> {
    const found = await this.#deps.sessions.findWithUser(content.sessionId);
    if (found === undefined || !found.session.usesCookie) return undefined;
    return isOfSession(content, found.session) ? found : undefined;
  }

  #remember(found: FoundSession): void {
    if (this.#remembered.size >= MAX_REMEMBERED) {
      const [oldest] = this.#remembered.keys();
      if (oldest !== undefined) this.#remembered.delete(oldest);
    }
    const until = this.#deps.clock.now() + SESSION_MEMORY_MS;
    // Behind all others, for it is the newest.
    this.#remembered.delete(found.session.id);
    this.#remembered.set(found.session.id, { found, until });
  }
}

function isOutdated({ user }: FoundSession, minVersionOf: (userId: string) => number): boolean {
  return user.tokenVersion < minVersionOf(user.id);
}
