// Counts uses in this process, each key's in a window of its own: all that a single process needs, and what is left of Redis while it is away.

import { hash } from 'node:crypto';
import type { Clock } from '../domain/clock.ts';

/** Uses in the current window, and when it ends, in milliseconds from now. */
export type UseCount = { readonly uses: number; readonly resetMs: number };

type Window = { uses: number; endTime: number };

/** Past so many keys, new ones share counters. A key takes some 160 bytes (measured on Node 26). */
const MAX_KEYS = 200_000;
const SHARED_PREFIX_LENGTH = 3;
/** Ended windows that one count clears away: more than it can open, so that a flood's leavings are gone soon after it. */
const SWEEP = 8;

/** A key of one length, which names nobody. */
export function counterKey(key: string): string {
  return hash('sha256', key, 'base64url');
}

/**
 * Windows of one length. No live window is ever dropped for another: a flood of names cannot push out a victim's counter. Instead, past
 * `maxKeys` new keys share 64³ counters, which only makes them stricter. Keys come from `counterKey`.
 */
export class UseCounters {
  readonly #windowMs: number;
  readonly #clock: Clock;
  readonly #maxKeys: number;
  /** In the order in which they were opened. */
  readonly #windows = new Map<string, Window>();

  constructor(windowMs: number, clock: Clock, maxKeys = MAX_KEYS) {
    this.#windowMs = windowMs;
    this.#clock = clock;
    this.#maxKeys = maxKeys;
  }

  /** How many windows are held, ended ones included. */
  get size(): number {
    return this.#windows.size;
  }

  /** Counts one use. */
  add(key: string): UseCount {
    const now = this.#clock.now();
    const isOneTooMany = this.#windows.size >= this.#maxKeys && !this.#windows.has(key);
    const slot = isOneTooMany ? key.slice(0, SHARED_PREFIX_LENGTH) : key;
    const window = this.#live(slot, now) ?? this.#open(slot, now + this.#windowMs, now);
    window.uses += 1;
    return countOf(window, now);
  }

  /** What is known of a key; undefined when nothing. */
  known(key: string): UseCount | undefined {
    const now = this.#clock.now();
    const window = this.#live(key, now);
    return window === undefined ? undefined : countOf(window, now);
  }

  /**
   * Takes over one use that was counted elsewhere together with others', in a window that ends at `endTime`. When fewer are told than were
   * known here, the other place has lost some, and counting goes on from what is known.
   */
  adopt(key: string, uses: number, endTime: number): UseCount {
    const now = this.#clock.now();
    const known = this.#live(key, now);
    if (known !== undefined && uses <= known.uses) {
      known.uses += 1;
      return countOf(known, now);
    }
    const told = { uses, endTime };
    if (known === undefined && this.#windows.size >= this.#maxKeys) return countOf(told, now);
    return countOf(Object.assign(known ?? this.#open(key, endTime, now), told), now);
  }

  // A window that would last longer than one does was opened before the clock was set back.
  #live(key: string, now: number): Window | undefined {
    const window = this.#windows.get(key);
    return window === undefined || this.#hasEnded(window, now) ? undefined : window;
  }

  #hasEnded({ endTime }: Window, now: number): boolean {
    return endTime <= now || endTime > now + this.#windowMs;
  }

  #open(key: string, endTime: number, now: number): Window {
    this.#sweep(now);
    const window = { uses: 0, endTime };
    this.#windows.delete(key);
    this.#windows.set(key, window);
    return window;
  }

  #sweep(now: number): void {
    let left = SWEEP;
    for (const [key, window] of this.#windows) {
      if (left === 0 || !this.#hasEnded(window, now)) return;
      this.#windows.delete(key);
      left -= 1;
    }
  }
}

function countOf({ uses, endTime }: Window, now: number): UseCount {
  return { uses, resetMs: Math.max(0, endTime - now) };
}
