// A clock that moves only when a test says so.

/** Epoch milliseconds under a test's control. */
export class FakeClock {
  #now: number;

  /** Starts at 2026-01-01T00:00:00Z by default. */
  constructor(start: number | Date = Date.UTC(2026, 0, 1)) {
    this.#now = Number(start);
  }

  /** The current time in epoch milliseconds; may be handed on unbound. */
  readonly now = (): number => this.#now;

  /** Moves time on; a negative step is a clock that was set back. */
  advance(ms: number): void {
    this.#now += ms;
  }

  /** Sets the time. */
  set(time: number | Date): void {
    this.#now = Number(time);
  }
}
