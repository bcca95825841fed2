// A bounded cache of what the database knows of credentials: revalidated in the background, read once for all who wait, and used on while the
// database cannot be asked.

import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import type { MaybePromise } from '../maybe-promise.ts';

/** From this share of `freshMs` on, a hit starts a read in the background. */
const REVALIDATE_FROM = 0.8;
/** How long a caller waits for the revalidation of an entry that is no longer fresh before the entry itself is used. */
const MAX_WAIT_MS = 250;
/** While the database cannot be asked, one revalidation is tried in this time, whatever the number of calls and entries. */
const RETRY_MS = 1_000;
const MAX_ENTRIES = 10_000;

export type OutageCacheOptions<Value> = {
  readonly clock: Clock;
  /** How old an entry may be while the database answers, in milliseconds. */
  readonly freshMs: number;
  /** How much longer it may be used while the database cannot be asked, in milliseconds. */
  readonly outageGraceMs: number;
  readonly maxEntries?: number;
  /** What the entry can be evicted by, beside its key. */
  readonly tagsOf: (value: Value) => readonly string[];
  /** Whether nothing is known that contradicts the value. One that is not current is read again before it is used. */
  readonly isCurrent: (value: Value) => boolean;
};

type Entry<Value> = { readonly value: Value; readonly readTime: number };
type Read<Value> = { readonly done: Promise<Value | undefined>; isLate: boolean };

/**
 * Values by key. `find` answers without a promise on a hit. The database's "there is none" evicts at once; its silence does not, until
 * `freshMs + outageGraceMs` after the value was read.
 */
export class OutageCache<Value> {
  readonly #options: OutageCacheOptions<Value>;
  readonly #maxEntries: number;
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #keysByTag = new Map<string, Set<string>>();
  readonly #reads = new Map<string, Read<Value>>();
  #isAway = false;
  /** On the monotonic clock. */
  #nextTry = 0;

  constructor(options: OutageCacheOptions<Value>) {
    this.#options = options;
    this.#maxEntries = options.maxEntries ?? MAX_ENTRIES;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * The value; undefined when `load` says that there is none. Of concurrent calls for one key, one loads. Errors: those of `load`, when
   * nothing in the cache may be used in its place.
   */
  find(key: string, load: () => Promise<Value | undefined>): MaybePromise<Value | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined || !this.#options.isCurrent(entry.value)) return this.#load(key, load);
    const age = this.#ageOf(entry);
    const { freshMs, outageGraceMs } = this.#options;
    if (age < freshMs * REVALIDATE_FROM) return entry.value;
    if (age >= freshMs + outageGraceMs) return this.#load(key, load);
    if (age < freshMs || this.#isAway) {
      this.#revalidate(key, load);
      return entry.value;
    }
    return this.#loadInTime(key, entry, load);
  }

  /** What is cached, however old. */
  peek(key: string): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Puts what `change` makes of the value in its place, where there is one. It counts as read when it was. */
  update(key: string, change: (value: Value) => Value): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#entries.set(key, { ...entry, value: change(entry.value) });
  }

  /** Updates every entry with this tag. */
  updateTagged(tag: string, change: (value: Value) => Value): void {
    for (const key of this.#keysByTag.get(tag) ?? []) this.update(key, change);
  }

  /** Evicts every entry with this tag. */
  evictTagged(tag: string): void {
    for (const key of this.#keysByTag.get(tag) ?? []) this.#evict(key);
  }

  // An entry from the future was read before the clock was set back: it is no fresher than one that must be read again.
  #ageOf({ readTime }: Entry<Value>): number {
    const age = this.#options.clock.now() - readTime;
    return age < 0 ? this.#options.freshMs : age;
  }

  async #load(key: string, load: () => Promise<Value | undefined>): Promise<Value | undefined> {
    const value = await this.#read(key, load).done;
    if (value === undefined || this.#options.isCurrent(value)) return value;
    // What contradicts it became known while the row was on its way, and is committed: a read that begins now sees it.
    return this.#read(key, load).done;
  }

  async #loadInTime(
    key: string,
    entry: Entry<Value>,
    load: () => Promise<Value | undefined>,
  ): Promise<Value | undefined> {
    const read = this.#read(key, load);
    if (read.isLate) return entry.value;
    const { promise: late, resolve } = Promise.withResolvers<'late'>();
    const timer = setTimeout(() => resolve('late'), MAX_WAIT_MS);
    try {
      const value = await Promise.race([read.done, late]);
      if (value !== 'late')
        return value === undefined || this.#options.isCurrent(value) ? value : await this.#load(key, load);
      read.isLate = true;
      this.#noteAway();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    } finally {
      clearTimeout(timer);
    }
    // Evicted or contradicted meanwhile: the revocation counts, not what was cached before it.
    const known = this.#entries.get(key);
    return known !== undefined && this.#options.isCurrent(known.value) ? known.value : this.#load(key, load);
  }

  #revalidate(key: string, load: () => Promise<Value | undefined>): void {
    if (this.#reads.has(key)) return;
    if (this.#isAway) {
      if (performance.now() < this.#nextTry) return;
      this.#nextTry = performance.now() + RETRY_MS;
    }
    // Callers that come once the entry is no longer fresh get the error.
    this.#read(key, load).done.catch(() => undefined);
  }

  #read(key: string, load: () => Promise<Value | undefined>): Read<Value> {
    const underWay = this.#reads.get(key);
    if (underWay !== undefined) return underWay;
    const read: Read<Value> = { done: this.#readNow(key, load), isLate: false };
    this.#reads.set(key, read);
    const end = () => this.#reads.delete(key);
    read.done.then(end, end);
    return read;
  }

  async #readNow(key: string, load: () => Promise<Value | undefined>): Promise<Value | undefined> {
    const readTime = this.#options.clock.now();
    try {
      const value = await load();
      this.#isAway = false;
      if (value === undefined || !this.#options.isCurrent(value)) this.#evict(key);
      else this.#keep(key, { value, readTime });
      return value;
    } catch (error) {
      if (isUnavailable(error)) this.#noteAway();
      throw error;
    }
  }

  #noteAway(): void {
    this.#isAway = true;
    this.#nextTry = performance.now() + RETRY_MS;
  }

  #keep(key: string, entry: Entry<Value>): void {
    // Behind all others, for it is the newest.
    this.#evict(key);
    if (this.#entries.size >= this.#maxEntries) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#evict(oldest);
    }
    this.#entries.set(key, entry);
    for (const tag of this.#options.tagsOf(entry.value)) {
      const keys = this.#keysByTag.get(tag);
      if (keys === undefined) this.#keysByTag.set(tag, new Set([key]));
      else keys.add(key);
    }
  }

  #evict(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    for (const tag of this.#options.tagsOf(entry.value)) {
      const keys = this.#keysByTag.get(tag);
      keys?.delete(key);
      if (keys?.size === 0) this.#keysByTag.delete(tag);
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof DomainError && error.reason === 'STORAGE_UNAVAILABLE';
}
