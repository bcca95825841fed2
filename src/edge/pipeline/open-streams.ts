// The streams that this node serves: how many at most, and how they end when it stops.

import { DomainError } from '../../domain/errors.ts';

/** How many streams one node serves at once, over every method and protocol. */
export const MAX_STREAMS = 1_000;

type EndStream = (error: DomainError) => void;

/** The streams under way. */
export class OpenStreams {
  readonly #open = new Set<EndStream>();
  #isClosed = false;

  /** How many there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Notes that a stream began; call the result when it has ended. Errors: OVERLOADED, SHUTTING_DOWN. */
  enter(end: EndStream): () => void {
    if (this.#isClosed) throw shuttingDown();
    if (this.#open.size >= MAX_STREAMS) {
      throw new DomainError('OVERLOADED', `This node serves ${MAX_STREAMS} streams already. Try another.`, {
        retryAfterMs: 1_000,
      });
    }
    this.#open.add(end);
    return () => this.#open.delete(end);
  }

  /** Ends all of them, and lets no other begin. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#open) end(shuttingDown());
  }
}

function shuttingDown(): DomainError {
  return new DomainError('SHUTTING_DOWN', 'This node is stopping. Call another, or this one again later.', {
    retryAfterMs: 0,
  });
}
