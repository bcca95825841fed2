// Sliding windows of uses in this process: all that a single process needs, and what is left of Redis while it is away.

import { hash } from 'node:crypto';
import type { Clock } from '../domain/clock.ts';
import type { LimitRule } from '../domain/limits/limit-table.ts';
import type { Uses, WindowState } from '../domain/limits/sliding-window.ts';
import { addUse, countOf, liveUses, windowState } from '../domain/limits/sliding-window.ts';

/** Past so many keys, new ones share counters. A key that was used once takes some 250 bytes (measured on Node 26). */
const MAX_KEYS = 200_000;
const SHARED_PREFIX_LENGTH = 3;
/** Expired windows that one use deletes: more than it can open, so that what a flood leaves is gone soon after it. */
const SWEEP = 8;

/** A key of one length, which identifies no person. */
export function counterKey(key: string): string {
  return hash('sha256', key, 'base64url');
}

/**
 * The windows of one rule, by key. No live window is ever evicted for another: a flood of names cannot push out a victim's counter. Instead,
 * past `maxKeys` new keys share 64³ counters, which only makes them stricter. Keys come from `counterKey`.
 */
export class UseCounters {
  readonly #rule: LimitRule;
  readonly #clock: Clock;
  readonly #maxKeys: number;
  /** In the order of their last use, which is the order in which they expire. */
  readonly #windows = new Map<string, Uses>();

  constructor(rule: LimitRule, clock: Clock, maxKeys = MAX_KEYS) {
    this.#rule = rule;
    this.#clock = clock;
    this.#maxKeys = maxKeys;
  }

  /** How many windows are cached, expired ones included. */
  get size(): number {
    return this.#windows.size;
  }

  /** Counts one use, unless it is one too many. */
  add(key: string): WindowState {
    const now = this.#clock.now();
    const slot = this.#slotOf(key);
    const live = this.#live(slot, now);
    const isAllowed = countOf(live) < this.#rule.limit;
    if (isAllowed) {
      addUse(live, now, this.#rule.windowMs);
      this.#store(slot, live, now);
    }
    return this.#state(live, isAllowed, now);
  }

  /** The state that a further use would meet, which is not counted; undefined when it would be allowed. */
  exhausted(key: string): WindowState | undefined {
    const now = this.#clock.now();
    const live = this.#live(this.#slotOf(key), now);
    return countOf(live) < this.#rule.limit ? undefined : this.#state(live, false, now);
  }

  /**
   * Takes over `uses` as they were counted elsewhere together with others', a last one `isAllowed` or not, in times of this clock. When they are fewer
   * than were known here, the other place has lost some, and counting goes on from what is known.
   */
  adopt(key: string, uses: Uses, isAllowed: boolean): WindowState {
    const now = this.#clock.now();
    const known = this.#live(key, now);
    if (isAllowed && known.length > 0 && countOf(uses) <= countOf(known)) return this.add(key);
    const hasSpace = known.length > 0 || this.#windows.size < this.#maxKeys;
    if (hasSpace) this.#store(key, uses, now);
    return this.#state(uses, isAllowed, now);
  }

  #slotOf(key: string): string {
    const isOneTooMany = this.#windows.size >= this.#maxKeys && !this.#windows.has(key);
    return isOneTooMany ? key.slice(0, SHARED_PREFIX_LENGTH) : key;
  }

  #live(key: string, now: number): number[] {
    const uses = this.#windows.get(key) ?? [];
    const live = liveUses(uses, now, this.#rule.windowMs);
    // Kept as moved, or it would move on with the clock that was set back.
    if ((uses.at(-2) ?? now) > now) this.#windows.set(key, [...live]);
    return live;
  }

  #state(live: Uses, isAllowed: boolean, now: number): WindowState {
    return windowState(live, isAllowed, { ...this.#rule, now });
  }

  #store(key: string, uses: Uses, now: number): void {
    this.#sweep(now);
    this.#windows.delete(key);
    this.#windows.set(key, uses);
  }

  #sweep(now: number): void {
    let left = SWEEP;
    for (const [key, uses] of this.#windows) {
      if (left === 0 || liveUses(uses, now, this.#rule.windowMs).length > 0) return;
      this.#windows.delete(key);
      left -= 1;
    }
  }
}
