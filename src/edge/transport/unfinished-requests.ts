// The requests that have begun and not yet arrived whole, over every connection of the process: bounded in number, bytes and time.

/** Why a request is given up: it timed out, or there are too many unfinished ones and it is the oldest. */
export type GiveUpReason = 'late' | 'crowded';

export type UnfinishedLimits = {
  readonly maxRequests: number;
  /** Bytes of memory that unfinished requests may hold, all together and on one connection. */
  readonly maxBytes: number;
  readonly maxBytesPerConnection: number;
  /** How long a message may take to arrive, in milliseconds. */
  readonly timeoutMs: number;
};

/** What a stream, its headers and its bookkeeping take, about. */
const BASE_BYTES = 4_096;
const SWEEPS_PER_TIMEOUT = 4;
const MAX_SWEEP_INTERVAL_MS = 1_000;

/** Where a request is counted. */
type Book = {
  readonly shares: readonly Share[];
  readonly now: () => number;
  readonly evict: () => void;
  readonly onOver: () => void;
};

type Share = { readonly requests: Set<UnfinishedRequest>; bytes: number };

/**
 * Where there are too many, the oldest goes: an honest request arrives in milliseconds, so that a client that has many open loses its own. Time is
 * looked at a few times per timeout.
 */
export class UnfinishedRequests {
  readonly #limits: UnfinishedLimits;
  readonly #now: () => number;
  readonly #all: Share = { requests: new Set(), bytes: 0 };
  readonly #connections = new WeakMap<object, Book>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #waiting: Array<() => void> = [];

  /** `now` in milliseconds, never going back. */
  constructor(limits: UnfinishedLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    const interval = Math.min(MAX_SWEEP_INTERVAL_MS, limits.timeoutMs / SWEEPS_PER_TIMEOUT);
    this.#sweeper = setInterval(() => this.sweep(), interval).unref();
  }

  /** How many there are, and how many bytes they hold. */
  get load(): { readonly requests: number; readonly bytes: number } {
    return { requests: this.#all.requests.size, bytes: this.#all.bytes };
  }

  /** Notes a request on `connection`. `giveUp` is called at most once, and never after `finish`. */
  begin(connection: object, giveUp: (reason: GiveUpReason) => void): UnfinishedRequest {
    let book = this.#connections.get(connection);
    if (book === undefined) {
      book = this.#newBook();
      this.#connections.set(connection, book);
    }
    return new UnfinishedRequest(book, giveUp);
  }

  #newBook(): Book {
    const share: Share = { requests: new Set(), bytes: 0 };
    return {
      shares: [this.#all, share],
      now: this.#now,
      evict: () => this.#evict(share),
      onOver: () => this.#resolveIdle(),
    };
  }

  /** Resolves when there are none. */
  async idle(): Promise<void> {
    if (this.#all.requests.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Gives up those that timed out. */
  sweep(): void {
    const deadline = this.#now() - this.#limits.timeoutMs;
    for (const request of this.#all.requests) {
      if (request.startTime > deadline) return;
      request.giveUp('late');
    }
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#sweeper);
  }

  #resolveIdle(): void {
    if (this.#all.requests.size > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #evict(share: Share): void {
    const { maxBytes, maxBytesPerConnection, maxRequests } = this.#limits;
    while (share.bytes > maxBytesPerConnection) oldestOf(share)?.giveUp('crowded');
    while (this.#all.bytes > maxBytes || this.#all.requests.size > maxRequests)
      oldestOf(this.#all)?.giveUp('crowded');
  }
}

/** One request until it has arrived. */
export class UnfinishedRequest {
  /** When its message began. */
  readonly startTime: number;
  readonly #book: Book;
  readonly #giveUp: (reason: GiveUpReason) => void;
  #bytes = BASE_BYTES;
  #isOver = false;

  constructor(book: Book, giveUp: (reason: GiveUpReason) => void) {
    this.startTime = book.now();
    this.#book = book;
    this.#giveUp = giveUp;
    for (const share of book.shares) {
      share.requests.add(this);
      share.bytes += this.#bytes;
    }
    book.evict();
  }

  /** Says how many bytes of it are held now. Others may be given up for it, or itself. */
  hold(bytes: number): void {
    if (this.#isOver) return;
    this.#count(BASE_BYTES + bytes);
    this.#book.evict();
  }

  /** It has arrived, or its connection is gone. */
  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#count(0);
    for (const { requests } of this.#book.shares) requests.delete(this);
    this.#book.onOver();
  }

  /** A request, or a message of this one, on the same connection. */
  another(giveUp: (reason: GiveUpReason) => void): UnfinishedRequest {
    return new UnfinishedRequest(this.#book, giveUp);
  }

  /** Ends it early. */
  giveUp(reason: GiveUpReason): void {
    if (this.#isOver) return;
    this.finish();
    this.#giveUp(reason);
  }

  #count(bytes: number): void {
    for (const share of this.#book.shares) share.bytes += bytes - this.#bytes;
    this.#bytes = bytes;
  }
}

function oldestOf({ requests }: Share): UnfinishedRequest | undefined {
  const [oldest] = requests;
  return oldest;
}
