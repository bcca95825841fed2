// Keeps the time of refreshes that got no answer because the database was away: a retry counts from the first attempt.

import type { RefreshTokenContent } from './refresh-token.ts';

/** For how long a caller may pause between two attempts, in milliseconds. */
const KEPT_MS = 2 * 60_000;
const MAX_KEPT = 10_000;

type Attempts = { readonly firstAt: number; readonly lastAt: number };

/**
 * On one node. A statement that was sent before the database hung may move a session on after the caller got the advice to try again; then the token that the caller
 * shows anew is an old one, and may be shown later than the grace lasts. What counts is when this was first tried. Times are monotonic milliseconds.
 */
export class UnansweredRefreshes {
  readonly #attempts = new Map<string, Attempts>();

  /** When the call that came at `madeAt` was first tried: `madeAt` itself, unless attempts before it got no answer. */
  firstAttempt(content: RefreshTokenContent, madeAt: number): number {
    if (this.#attempts.size === 0) return madeAt;
    const attempts = this.#attempts.get(keyOf(content));
    return attempts === undefined || madeAt - attempts.lastAt > KEPT_MS ? madeAt : attempts.firstAt;
  }

  /** The call that came at `madeAt` got no answer. Only for tokens whose MAC is right, so that forged tokens fill no memory. */
  note(content: RefreshTokenContent, madeAt: number): void {
    const key = keyOf(content);
    const firstAt = this.firstAttempt(content, madeAt);
    this.#attempts.delete(key);
    this.#attempts.set(key, { firstAt, lastAt: madeAt });
    if (this.#attempts.size <= MAX_KEPT) return;
    const [oldest] = this.#attempts.keys();
    if (oldest !== undefined) this.#attempts.delete(oldest);
  }

  /** The caller has an answer. */
  settle(content: RefreshTokenContent): void {
    if (this.#attempts.size > 0) this.#attempts.delete(keyOf(content));
  }
}

function keyOf({ sessionId, generation }: RefreshTokenContent): string {
  return `${sessionId} ${generation}`;
}
