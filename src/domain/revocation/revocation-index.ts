// The live set of revocations, in memory: what every validation asks.

import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import type { Revocation } from './revocation.ts';
import type { WatchCursor } from './watch-cursor.ts';

/** Older knowledge than this is not acted on: validation answers UNAVAILABLE. */
export const MAX_STALENESS_MS = 5_000;

export type RevocationIndexDeps = {
  readonly clock: Clock;
  /** How long the channel alone counts as knowledge, in milliseconds since the last look at the database. MAX_STALENESS_MS or more. */
  readonly databaseOutageGraceMs: number;
};

/** What identifies a token to the index. */
export type RevocableToken = {
  readonly tokenId: string;
  readonly sessionId: string | undefined;
  readonly subjectId: string;
  readonly version: number;
};

type TokenRevocation = Extract<Revocation, { form: 'token' }>;
type SessionRevocation = Extract<Revocation, { form: 'session' }>;
type SubjectRevocation = Extract<Revocation, { form: 'subject' }>;
type NewsListener = (news: readonly Revocation[]) => void;

/** Answers in constant time. Applying a revocation twice, or an older one after a newer one, changes nothing. */
export class RevocationIndex {
  readonly #clock: Clock;
  readonly #databaseOutageGraceMs: number;
  readonly #tokens = new Map<string, TokenRevocation>();
  readonly #sessions = new Map<string, SessionRevocation>();
  readonly #subjects = new Map<string, SubjectRevocation>();
  readonly #listeners = new Set<NewsListener>();
  readonly #database: FreshnessMark;
  readonly #channel: FreshnessMark;
  #databaseTime = Infinity;
  #cursor: WatchCursor | undefined;

  constructor({ clock, databaseOutageGraceMs }: RevocationIndexDeps) {
    this.#clock = clock;
    this.#databaseOutageGraceMs = databaseOutageGraceMs;
    this.#database = new FreshnessMark(clock);
    this.#channel = new FreshnessMark(clock);
  }

  /** How many revocations are held. */
  get size(): number {
    return this.#tokens.size + this.#sessions.size + this.#subjects.size;
  }

  apply(revocations: Iterable<Revocation>): void {
    const news = [...revocations].filter((revocation) => this.#applyOne(revocation));
    if (news.length > 0) for (const listener of this.#listeners) listener(news);
  }

  /** Calls `listener` with whatever changes an answer from now on; call the result to end that. */
  subscribe(listener: NewsListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * All that is held. It may be read slowly, without a copy: what comes meanwhile is told to who subscribed before, and may be told here too.
   */
  *live(): Generator<Revocation, void, undefined> {
    yield* this.#tokens.values();
    yield* this.#sessions.values();
    yield* this.#subjects.values();
  }

  /** Up to where the database has been read and applied; undefined before the first time. */
  get cursor(): WatchCursor | undefined {
    return this.#cursor;
  }

  /** Notes that the database has been read and applied up to here. */
  markRead(cursor: WatchCursor): void {
    this.#cursor = cursor;
  }

  /** Notes that everything that was in the database at `time` has been applied. */
  markFresh(time: number): void {
    this.#database.move(time);
  }

  /** Notes that everything that was on the channel at `time` has been applied. */
  markHeard(time: number): void {
    this.#channel.move(time);
  }

  /** How old the knowledge from the database is, in milliseconds; infinite before the first. */
  get databaseAgeMs(): number {
    return this.#database.ageMs;
  }

  /**
   * How old the knowledge is, in milliseconds; infinite before the first. What is heard on the channel counts as well, but may lack what was not
   * published: towards the end of the grace its worth runs out, so that whoever acts on nothing older than MAX_STALENESS_MS, here or behind the
   * feed, stops when the database was last read longer ago than the grace.
   */
  get ageMs(): number {
    const databaseAgeMs = this.#database.ageMs;
    const overdueMs = databaseAgeMs - (this.#databaseOutageGraceMs - MAX_STALENESS_MS);
    return Math.min(databaseAgeMs, Math.max(this.#channel.ageMs, overdueMs));
  }

  isFresh(): boolean {
    return this.ageMs <= MAX_STALENESS_MS;
  }

  /** Errors: REVOCATIONS_STALE when the knowledge is older than MAX_STALENESS_MS. */
  requireFresh(): void {
    if (this.isFresh()) return;
    throw new DomainError(
      'REVOCATIONS_STALE',
      'This node cannot tell now which tokens are revoked. Try again.',
      {
        retryAfterMs: 1_000,
      },
    );
  }

  isRevoked(token: RevocableToken): boolean {
    return (
      this.#tokens.has(token.tokenId) ||
      (token.sessionId !== undefined && this.isSessionRevoked(token.sessionId)) ||
      token.version < this.minVersionOf(token.subjectId)
    );
  }

  /** Whether the session or API key is revoked by itself. */
  isSessionRevoked(id: string): boolean {
    const ending = this.#sessions.get(id);
    if (ending === undefined) return false;
    // What is revoked at once does not wait for this node's clock to agree that it is now.
    return ending.effectTime === undefined || ending.effectTime <= this.#clock.now();
  }

  /** The subject's lowest good `ver`. */
  minVersionOf(subjectId: string): number {
    return this.#subjects.get(subjectId)?.minVersion ?? 0;
  }

  /** Evicts what no token in date can match. `databaseTime` is the newest that is known of the database's clock. */
  prune(databaseTime = Infinity): void {
    this.#databaseTime = databaseTime;
    const horizon = this.#horizon();
    for (const entries of [this.#tokens, this.#sessions, this.#subjects]) {
      for (const [id, entry] of entries) if (entry.expireTime <= horizon) entries.delete(id);
    }
  }

  // By the clock that is behind: were this node's set ahead, what it evicted would be missing once the clock is right again.
  #horizon(): number {
    return Math.min(this.#clock.now(), this.#databaseTime);
  }

  /** Whether the revocation changed anything. */
  #applyOne(revocation: Revocation): boolean {
    if (revocation.expireTime <= this.#horizon()) return false;
    if (revocation.form === 'token') return this.#endToken(revocation);
    if (revocation.form === 'session') return this.#endSession(revocation);
    return this.#raiseVersion(revocation);
  }

  #endToken(revocation: TokenRevocation): boolean {
    const known = this.#tokens.get(revocation.id);
    if (known !== undefined && known.expireTime >= revocation.expireTime) return false;
    this.#tokens.set(revocation.id, revocation);
    return true;
  }

  #endSession(revocation: SessionRevocation): boolean {
    const known = this.#sessions.get(revocation.id);
    const effectTime =
      known === undefined ? revocation.effectTime : soonest(known.effectTime, revocation.effectTime);
    const expireTime = Math.max(known?.expireTime ?? 0, revocation.expireTime);
    if (known !== undefined && known.effectTime === effectTime && known.expireTime === expireTime)
      return false;
    this.#sessions.set(revocation.id, { ...revocation, effectTime, expireTime });
    return true;
  }

  #raiseVersion(revocation: SubjectRevocation): boolean {
    const known = this.#subjects.get(revocation.id);
    const minVersion = Math.max(known?.minVersion ?? 0, revocation.minVersion);
    const expireTime = Math.max(known?.expireTime ?? 0, revocation.expireTime);
    if (known !== undefined && known.minVersion === minVersion && known.expireTime === expireTime)
      return false;
    this.#subjects.set(revocation.id, { ...revocation, minVersion, expireTime });
    return true;
  }
}

/** Up to when one source is known. */
class FreshnessMark {
  readonly #clock: Clock;
  #time = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  move(time: number): void {
    // A mark that lies in the future was made before the clock was set back, and is worth nothing.
    const isMisdated = this.#time > this.#clock.now();
    this.#time = isMisdated ? time : Math.max(this.#time, time);
  }

  get ageMs(): number {
    return Math.abs(this.#clock.now() - this.#time);
  }
}

/** Undefined is at once, and nothing is sooner. */
function soonest(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? undefined : Math.min(left, right);
}
