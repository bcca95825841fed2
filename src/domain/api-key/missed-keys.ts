// What keys cost that are looked up in vain: each once a minute, few at once, and for one address not many.

import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import { addressKey } from '../limits/address-key.ts';
import { RateLimitedError } from '../limits/rate-limited.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';

/** For how long a key that is not there is not looked up again. No client can show a key before it is made. */
const MISS_MS = 60_000;
const MAX_MISSES = 20_000;
/** Look-ups at once of keys that an unauthenticated caller may have made up: most connections to the database stay free. */
const SLOTS = 4;
const MAX_WAITING = 1_000;

/** Bounds look-ups of keys without a checksum, which any caller can make up. */
export class MissedKeys {
  readonly #clock: Clock;
  readonly #rateLimiter: RateLimiter;
  /** When each fingerprint was missed, oldest first. */
  readonly #misses = new Map<string, number>();
  readonly #waiting: Array<() => void> = [];
  #running = 0;

  constructor(deps: { readonly clock: Clock; readonly rateLimiter: RateLimiter }) {
    this.#clock = deps.clock;
    this.#rateLimiter = deps.rateLimiter;
  }

  /** Whether the key was looked up in vain a moment ago. */
  has(fingerprint: string): boolean {
    const missTime = this.#misses.get(fingerprint);
    return missTime !== undefined && this.#clock.now() < missTime + MISS_MS;
  }

  /** Notes that there is no such key. */
  note(fingerprint: string): void {
    this.#misses.delete(fingerprint);
    const [oldest] = this.#misses.keys();
    if (this.#misses.size >= MAX_MISSES && oldest !== undefined) this.#misses.delete(oldest);
    this.#misses.set(fingerprint, this.#clock.now());
  }

  /**
   * Looks a key up that may be made up; one that is not there is charged to the address that showed it, where that is known. Errors:
   * RATE_LIMITED, OVERLOADED, those of `lookUp`.
   */
  async bounded<Found>(
    clientAddress: string | undefined,
    lookUp: () => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    const key = clientAddress === undefined ? undefined : addressKey(clientAddress);
    if (key !== undefined) this.#rateLimiter.requireLeft('api_key', 'address', key);
    await this.#enter();
    try {
      const found = await lookUp();
      if (found === undefined && key !== undefined) await this.#charge(key);
      return found;
    } finally {
      this.#leave();
    }
  }

  // The key is not there: that is its caller's answer.
  async #charge(key: string): Promise<void> {
    try {
      await this.#rateLimiter.consume('api_key', 'address', key);
    } catch (error) {
      if (!(error instanceof RateLimitedError)) throw error;
    }
  }

  #enter(): Promise<void> | void {
    if (this.#running < SLOTS) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING)
      throw new DomainError(
        'OVERLOADED',
        'Too many unknown API keys are being looked up now. Try again in a moment.',
        {
          retryAfterMs: 1_000,
        },
      );
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
