// Looks over the messages of a gRPC request that is a stream of them, as they pass.

import type { UnfinishedRequest } from '../transport/unfinished-requests.ts';
import { flagFault, FrameHeaders, TRUNCATED } from '../messages/envelope.ts';
import { givenUpFor } from '../pipeline/given-up.ts';
import type { Refusal } from '../pipeline/refusal.ts';
import type { Intake } from './intake.ts';
import { malformed, tooLarge } from '../pipeline/refusal.ts';
import { COMPRESSED_IN_STREAM } from './intake.ts';

/**
 * Looks over the messages of a stream as grpc-js reads them, and calls `serve` at once. Each message has its own time to arrive; between two of
 * them there may pass as much as the caller likes.
 */
export function watchMessages(intake: Intake, serve: () => void): void {
  const { stream, arrival } = intake;
  arrival.finish();
  const watch = new MessageWatch(intake);
  stream.on('data', (chunk: Buffer) => watch.take(chunk));
  stream.once('end', () => watch.end());
  stream.once('close', () => watch.stop());
  serve();
}

class MessageWatch {
  readonly #intake: Intake;
  readonly #frames = new FrameHeaders();
  #unfinished: UnfinishedRequest | undefined;
  #held = 0;

  constructor(intake: Intake) {
    this.#intake = intake;
  }

  take(chunk: Buffer): void {
    let refusal: Refusal | undefined;
    this.#frames.follow(chunk, (flags, length) => {
      this.stop();
      refusal ??= this.#faultOf(flags, length);
    });
    if (refusal !== undefined) return this.#refuse(refusal);
    if (this.#frames.isBetween) return this.stop();
    // grpc-js keeps the fragment, and with it the whole buffer that it was read into.
    this.#held += chunk.buffer.byteLength;
    this.#unfinished ??= this.#begin();
    this.#unfinished.hold(this.#held);
  }

  end(): void {
    this.stop();
    if (!this.#frames.isBetween) this.#refuse(malformed(TRUNCATED));
  }

  stop(): void {
    this.#unfinished?.finish();
    this.#unfinished = undefined;
    this.#held = 0;
  }

  #begin(): UnfinishedRequest {
    const { arrival, stream } = this.#intake;
    return arrival.another((reason) => {
      // It is we who let it wait.
      if (reason === 'late' && stream.isPaused()) this.#unfinished = this.#begin();
      else this.#refuse(givenUpFor(reason));
    });
  }

  #faultOf(flags: number, length: number): Refusal | undefined {
    const { encoding, maxBytes } = this.#intake;
    if (length > maxBytes) return tooLarge(maxBytes);
    const fault = flagFault(flags, encoding);
    if (fault !== undefined) return malformed(fault);
    return flags === 0 ? undefined : COMPRESSED_IN_STREAM;
  }

  #refuse(refusal: Refusal): void {
    this.stop();
    this.#intake.refuse(refusal);
  }
}
