// Finds the sessions of cookies, and moves those that are used on in time. What was read is cached for a moment, so that a page with many calls
// costs one read, and none while the database cannot be asked.

import type { User } from '../account/user.ts';
import { OutageCache } from '../cache/outage-cache.ts';
import type { Clock } from '../clock.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import { after } from '../maybe-promise.ts';
import type { RevocationIndex } from '../revocation/revocation-index.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import { isOfSession } from './refresh-token.ts';
import type { SessionCookieCodec, SessionCookieContent } from './session-cookie.ts';
import type { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** How long a session is used before it is read again. Revocations do not wait for it: they are checked on every call. */
export const SESSION_CACHE_MS = 5_000;
/** Uses within so long of the last one noted are not noted, unless sessions are very short. */
export const TOUCH_INTERVAL_MS = 60_000;
const TOUCHES_IN_A_LIFE = 10;

/** A session with its owner, as they were when they were read. */
export type FoundSession = { readonly session: Session; readonly user: User };

export type SessionDirectoryDeps = {
  readonly sessions: Pick<SessionStore, 'findWithUser' | 'touch'>;
  readonly sessionCookieCodec: Pick<SessionCookieCodec, 'read'>;
  readonly tokenPolicy: Pick<TokenPolicy, 'refreshTokenTtlMs'>;
  readonly revocationIndex: Pick<RevocationIndex, 'subscribe' | 'minVersionOf' | 'isSessionRevoked'>;
  readonly clock: Clock;
  /** How much longer a session may be used while the database cannot be asked, in milliseconds. */
  readonly outageGraceMs: number;
  /** Called when a use could not be noted; the next one is again. */
  readonly onTouchFailure: (error: unknown) => void;
};

/** `isUseLost`: the last use that was noted here did not reach the database. */
type CachedSession = FoundSession & { readonly isUseLost: boolean };
type LookedUp = FoundSession | 'renewed' | undefined;

/** The cookie sessions that this node has seen of late. */
export class SessionDirectory {
  readonly #deps: SessionDirectoryDeps;
  readonly #touchIntervalMs: number;
  readonly #cache: OutageCache<CachedSession>;
  /** Those under way, by session. */
  readonly #touches = new Map<string, Promise<void>>();

  constructor(deps: SessionDirectoryDeps) {
    this.#deps = deps;
    this.#touchIntervalMs = Math.min(
      TOUCH_INTERVAL_MS,
      deps.tokenPolicy.refreshTokenTtlMs / TOUCHES_IN_A_LIFE,
    );
    const { clock, outageGraceMs, revocationIndex } = deps;
    this.#cache = new OutageCache({
      clock,
      freshMs: SESSION_CACHE_MS,
      outageGraceMs,
      tagsOf: ({ user }) => [user.id],
      isCurrent: ({ session, user }) =>
        user.tokenVersion >= revocationIndex.minVersionOf(user.id) &&
        (session.revokeTime !== undefined || !revocationIndex.isSessionRevoked(session.id)),
    });
    // The index deletes a revocation once no token can match it; a session may stay cached for longer.
    revocationIndex.subscribe((revocations) => revocations.forEach((revocation) => this.#apply(revocation)));
  }

  /**
   * The session of this cookie, live or not; undefined when the cookie is forged, or its session has no row (any more) or uses tokens
   * instead; 'renewed' when its session has given another cookie since. It is what the database said, at most SESSION_CACHE_MS ago, or the outage grace longer while it cannot be asked; never older than
   * a revocation that this node knows. Errors: STORAGE_UNAVAILABLE.
   */
  find(cookie: string): MaybePromise<LookedUp> {
    const content = this.#deps.sessionCookieCodec.read(cookie);
    if (content === undefined) return undefined;
    const found = this.#cache.find(content.sessionId, () => this.#read(content));
    return after<CachedSession | undefined, LookedUp>(found, (known) =>
      known === undefined || isOfSession(content, known.session) ? known : this.#afterRenewal(content),
    );
  }

  /** Moves the session's idle end on, now and then; the caller does not wait for it. */
  noteUse({ session }: FoundSession): void {
    const now = this.#deps.clock.now();
    const { id } = session;
    if (now - session.lastSeenTime < this.#touchIntervalMs || this.#touches.has(id)) return;
    const expireTime = Math.min(now + this.#deps.tokenPolicy.refreshTokenTtlMs, session.maxExpireTime);
    this.#cache.update(id, (cached) => ({
      ...cached,
      session: { ...cached.session, lastSeenTime: now, expireTime },
      isUseLost: false,
    }));
    const touched = this.#deps.sessions
      .touch({ sessionId: id, now, expireTime, seenBefore: now - this.#touchIntervalMs })
      .catch((error: unknown) => {
        this.#cache.update(id, (cached) => ({ ...cached, isUseLost: true }));
        this.#deps.onTouchFailure(error);
      })
      .finally(() => this.#touches.delete(id));
    this.#touches.set(id, touched);
  }

  /** Resolves when every use that was noted is written down, or has failed to be. */
  async idle(): Promise<void> {
    await Promise.all(this.#touches.values());
  }

  async #read({ sessionId }: SessionCookieContent): Promise<CachedSession | undefined> {
    const found = await this.#deps.sessions.findWithUser(sessionId);
    if (found?.session.usesCookie !== true) return undefined;
    const { session, user } = found;
    const cached = this.#cache.peek(sessionId);
    if (cached === undefined || cached.isUseLost) return { session, user, isUseLost: false };
    // The row may have been read before a use that is noted here, and on its way to the database.
    const lastSeenTime = Math.max(session.lastSeenTime, cached.session.lastSeenTime);
    const expireTime = Math.max(session.expireTime, cached.session.expireTime);
    return { session: { ...session, lastSeenTime, expireTime }, user, isUseLost: false };
  }

  // A genuine cookie with another salt may be the one that a renewal gave since the row was cached.
  async #afterRenewal(content: SessionCookieContent): Promise<LookedUp> {
    const fresh = await this.#read(content);
    if (fresh === undefined) return undefined;
    if (!isOfSession(content, fresh.session)) return 'renewed';
    this.#cache.update(content.sessionId, () => fresh);
    return fresh;
  }

  #apply(revocation: Revocation): void {
    if (revocation.form === 'subject') this.#cache.evictTagged(revocation.id);
    if (revocation.form !== 'session' || revocation.effectTime !== undefined) return;
    const { id, revokeTime } = revocation;
    this.#cache.update(id, (cached) => ({ ...cached, session: { ...cached.session, revokeTime } }));
  }
}
