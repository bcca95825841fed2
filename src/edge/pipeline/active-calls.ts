// Counts the calls under way, so that a stopping server knows when the last one has been answered.

/** The calls under way on this node, over every protocol. */
export class ActiveCalls {
  #count = 0;
  readonly #waiting: Array<() => void> = [];

  /** Notes that a call began; call the result once when it ends. */
  enter(): () => void {
    this.#count += 1;
    return () => {
      this.#count -= 1;
      if (this.#count > 0) return;
      for (const resolve of this.#waiting.splice(0)) resolve();
    };
  }

  /** Resolves when no call is under way. */
  async idle(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
