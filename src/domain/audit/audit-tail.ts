// Follows the sealed events for all watchers on this node: one reader of the database however many they are, and none without watchers.

import type { AuditTrail, SealedEvent } from './audit-trail.ts';
import { RecentEvents } from './recent-events.ts';

/** How often the database is asked for what was sealed. */
export const TAIL_INTERVAL_MS = 500;
/** How many events are read at once. */
export const TAIL_PAGE = 500;

export type AuditTailDeps = { readonly auditTrail: AuditTrail };

/** Events in order, and the number up to which there are no others. */
export type TailPage = { readonly events: readonly SealedEvent[]; readonly reached: number };

/** A watcher's subscription. */
export type Follower = {
  /** Events behind the number `after`, at most TAIL_PAGE; none when all have been read. Errors: STORAGE_UNAVAILABLE. */
  read(after: number): Promise<TailPage>;
  /** Resolves when there may be something behind the number `after`, or at `wake`. */
  changed(after: number): Promise<void>;
  /** Ends the wait under way. */
  wake(): void;
  leave(): void;
};

/** The end of the trail. */
export class AuditTail {
  readonly #trail: AuditTrail;
  readonly #followers = new Set<Follower>();
  #recent = new RecentEvents(0);
  #isPolling = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #fault: { readonly error: unknown } | undefined;
  #lastCatchUp: Promise<unknown> = Promise.resolve();

  constructor({ auditTrail }: AuditTailDeps) {
    this.#trail = auditTrail;
  }

  /** How many follow. */
  get size(): number {
    return this.#followers.size;
  }

  /** Begins to follow, from the head of the trail as it is now. The caller leaves in the end. Errors: STORAGE_UNAVAILABLE. */
  async follow(): Promise<Follower & { readonly head: number }> {
    const head = await this.#trail.head();
    const follower = this.#newFollower();
    if (this.#followers.size === 0) this.#start(head);
    this.#followers.add(follower);
    return { ...follower, head };
  }

  #newFollower(): Follower {
    let wake: () => void = () => undefined;
    const follower: Follower = {
      read: (after) => this.#read(after),
      changed: async (after) => {
        if (this.#fault !== undefined || after < this.#recent.newest) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      },
      wake: () => wake(),
      leave: () => {
        this.#followers.delete(follower);
        if (this.#followers.size === 0) clearInterval(this.#timer);
      },
    };
    return follower;
  }

  #start(head: number): void {
    this.#recent = new RecentEvents(head);
    this.#fault = undefined;
    this.#timer = setInterval(() => void this.#poll(), TAIL_INTERVAL_MS);
  }

  // A database error reaches every follower: silence would say that nothing happens.
  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    const recent = this.#recent;
    try {
      let events: readonly SealedEvent[];
      do {
        events = await this.#trail.read(recent.newest, TAIL_PAGE);
        recent.push(events);
        if (events.length > 0) this.#wakeAll();
      } while (events.length === TAIL_PAGE && recent === this.#recent && this.#followers.size > 0);
      if (recent === this.#recent) this.#fault = undefined;
    } catch (error) {
      if (recent === this.#recent) this.#fault = { error };
      this.#wakeAll();
    } finally {
      this.#isPolling = false;
    }
  }

  #wakeAll(): void {
    for (const follower of this.#followers) follower.wake();
  }

  async #read(after: number): Promise<TailPage> {
    const recent = this.#recent.read(after, TAIL_PAGE);
    if (recent === undefined) return this.#catchUp(after);
    if (recent.length === 0 && this.#fault !== undefined) throw this.#fault.error;
    return { events: recent, reached: recent.at(-1)?.number ?? after };
  }

  // One at a time on a node, in turn: those who are far behind leave the database to the others.
  #catchUp(after: number): Promise<TailPage> {
    const page = this.#lastCatchUp.then(async () => {
      const { newest } = this.#recent;
      const events = await this.#trail.read(after, TAIL_PAGE);
      // Nothing at all: retention took what was known of.
      return { events, reached: events.at(-1)?.number ?? Math.max(after, newest) };
    });
    this.#lastCatchUp = page.catch(() => undefined);
    return page;
  }
}
