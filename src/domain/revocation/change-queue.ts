// Queues the changes that a watcher has not read yet: bounded, so that a slow one costs no more than that.

import { DomainError } from '../errors.ts';
import type { Revocation } from './revocation.ts';

/** How many revocations wait for one watcher at most. */
export const MAX_PENDING = 10_000;

/** First in, first out, for one reader. */
export class ChangeQueue {
  #pending: Revocation[] = [];
  #hasOverflowed = false;
  #wake: () => void = () => undefined;

  /** How many changes wait; infinite when some were dropped. */
  get size(): number {
    return this.#hasOverflowed ? Infinity : this.#pending.length;
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** Adds changes and wakes the reader. Past MAX_PENDING all are dropped, and the reader is given an error. */
  push(changes: readonly Revocation[]): void {
    if (this.#pending.length + changes.length > MAX_PENDING) {
      this.#hasOverflowed = true;
      this.#pending = [];
    }
    if (!this.#hasOverflowed) this.#pending.push(...changes);
    this.wake();
  }

  /** The next `max` at most. Errors: OVERLOADED when some were dropped. */
  take(max: number): readonly Revocation[] {
    if (!this.#hasOverflowed) return this.#pending.splice(0, max);
    throw new DomainError(
      'OVERLOADED',
      'The stream was read too slowly, and revocations were dropped. Resume by the last cursor.',
      { retryAfterMs: 0 },
    );
  }

  /** Ends the wait under way. */
  wake(): void {
    this.#wake();
  }

  /** Resolves at the next `push` or `wake`. */
  async wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
