// A bounded queue before the password hash: so many at once, so many waiting, the rest refused at once.

import { DomainError } from '../../domain/errors.ts';

/** Runs at most `slots` tasks at once and keeps at most `maxWaiting` waiting, first come first served. */
export class HashingQueue {
  readonly #slots: number;
  readonly #maxWaiting: number;
  readonly #waiting: Array<() => void> = [];
  #running = 0;
  #admitted = 0;

  constructor(limits: { slots: number; maxWaiting: number }) {
    this.#slots = limits.slots;
    this.#maxWaiting = limits.maxWaiting;
  }

  /**
   * Errors: OVERLOADED, before anything is computed, when the queue is full; CALL_CANCELLED when `signal` aborts before the task's turn;
   * whatever the task throws.
   */
  async run<Result>(task: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    await this.#enter(signal);
    try {
      return await task();
    } finally {
      this.#leave();
    }
  }

  /** Runs `work` while it counts as one task. Errors: OVERLOADED, at once, when as many are admitted as may run and wait. */
  async admit<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#admitted >= this.#slots + this.#maxWaiting) throw overloaded();
    this.#admitted += 1;
    try {
      return await work();
    } finally {
      this.#admitted -= 1;
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) throw cancelled();
    if (this.#running < this.#slots) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= this.#maxWaiting) throw overloaded();
    await this.#turn(signal);
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leaveLine = () => {
      const place = this.#waiting.indexOf(resolve);
      if (place === -1) return;
      this.#waiting.splice(place, 1);
      reject(cancelled());
    };
    this.#waiting.push(resolve);
    signal?.addEventListener('abort', leaveLine, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', leaveLine);
    }
  }

  // The slot passes to the next in line without being free in between.
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}

function overloaded(): DomainError {
  return new DomainError('OVERLOADED', 'Too many passwords are being checked now. Try again in a moment.', {
    retryAfterMs: 1_000,
  });
}

function cancelled(): DomainError {
  return new DomainError('CALL_CANCELLED', 'The caller is gone.');
}
