// The live set of revocations, in memory: what every validation asks.

import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import { FORMS, RevocationTable } from '../../revocation-table/revocation-table.ts';
import { LivePages } from './live-pages.ts';
import type { Revocation } from './revocation.ts';
import { toEntry } from './table-entry.ts';
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

type RevocationListener = (changes: readonly Revocation[]) => void;

/** Answers in constant time. Applying a revocation twice, or an older one after a newer one, changes nothing. */
export class RevocationIndex {
  readonly #clock: Clock;
  readonly #databaseOutageGraceMs: number;
  readonly #table = new RevocationTable();
  readonly #pages = new LivePages(this.#table, () => this.#horizon());
  readonly #listeners = new Set<RevocationListener>();
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

  /** How many revocations are held. Expired ones count until `prune` has deleted them. */
  get size(): number {
    return this.#table.size;
  }

  /** Adds what is not known, and calls the listeners with that. */
  apply(revocations: Iterable<Revocation>): void {
    const horizon = this.#horizon();
    const changes: Revocation[] = [];
    for (const revocation of revocations) {
      if (revocation.expireTime > horizon && this.#table.put(toEntry(revocation), horizon))
        changes.push(revocation);
    }
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes);
  }

  /** Calls `listener` with whatever changes an answer from now on; call the result to end that. */
  subscribe(listener: RevocationListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** All that is live, page by page, see LivePages. Whoever subscribes before the first page misses nothing. */
  livePages(): Generator<readonly Revocation[], void, undefined> {
    return this.#pages.read();
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
      this.#table.has(FORMS.token, token.tokenId) ||
      (token.sessionId !== undefined && this.isSessionRevoked(token.sessionId)) ||
      token.version < this.minVersionOf(token.subjectId)
    );
  }

  /** Whether the session or API key is revoked by itself. */
  isSessionRevoked(id: string): boolean {
    const effectTime = this.#table.valueOf(FORMS.session, id);
    return effectTime !== undefined && effectTime <= this.#clock.now();
  }

  /** The subject's lowest good `ver`. */
  minVersionOf(subjectId: string): number {
    return this.#table.valueOf(FORMS.subject, subjectId) ?? 0;
  }

  /**
   * Evicts what no token in date can match, a bounded number at a time; call it about once a second. `databaseTime` is the newest that is known of
   * the database's clock.
   */
  prune(databaseTime = Infinity): void {
    this.#databaseTime = databaseTime;
    this.#table.prune(this.#horizon());
  }

  // By the clock that is behind: were this node's set ahead, what it evicted would be missing once the clock is right again.
  #horizon(): number {
    return Math.min(this.#clock.now(), this.#databaseTime);
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
