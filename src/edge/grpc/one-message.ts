// Takes in the one message of a unary gRPC request: read whole before anything else sees the stream.

import type { ServerHttp2Stream } from 'node:http2';
import type { UnfinishedRequest } from '../transport/unfinished-requests.ts';
import {
  envelope,
  ENVELOPE_HEADER_LENGTH,
  flagFault,
  Frame,
  SECOND_MESSAGE,
  TRUNCATED,
} from '../messages/envelope.ts';
import { givenUpFor } from '../pipeline/given-up.ts';
import { inflated, inflaterOf } from './inflation.ts';
import type { Refusal } from '../pipeline/refusal.ts';
import type { Intake } from './intake.ts';
import { malformed, tooLarge } from '../pipeline/refusal.ts';
import { UNKNOWN_ENCODING } from './intake.ts';

/** What is held of a message that was passed on until the request has ended. */
const COPIES = 2;

/** What takes the one message of a request. */
export type MessageTaker = {
  /** The message is whole, in a frame of its own, uncompressed. */
  readonly message: (framed: Buffer) => void;
  /** The request has ended after it. */
  readonly end: () => void;
};

/** Reads the one message of the request. The request counts as unfinished until its end. */
export function takeMessage(intake: Intake, taker: MessageTaker): void {
  new MessageIntake(intake, taker).begin();
}

/** Calls `serve` with the message when the request has ended. */
export function wholeRequest(stream: ServerHttp2Stream, serve: (message: Buffer) => void): MessageTaker {
  let message: Buffer | undefined;
  return {
    message(framed) {
      message = framed.subarray(ENVELOPE_HEADER_LENGTH);
      // While it was inflated.
      if (stream.isPaused()) stream.resume();
    },
    end() {
      if (message !== undefined) serve(message);
    },
  };
}

/**
 * Lets a library serve the stream, by `serve`, when the message is whole; it gets the message as the stream's data, by an event of its own: put
 * back into the stream, it would come a second time to whoever listens already.
 */
export function handedOver(stream: ServerHttp2Stream, serve: () => void): MessageTaker {
  return {
    message(framed) {
      serve();
      stream.emit('data', framed);
    },
    end: () => undefined,
  };
}

class MessageIntake {
  readonly #intake: Intake;
  readonly #taker: MessageTaker;
  #expects: 'message' | 'handover' | 'end' | 'nothing' = 'message';
  /** Of a message that comes in pieces. */
  #frame: Frame | undefined;
  #arrival: UnfinishedRequest;

  constructor(intake: Intake, taker: MessageTaker) {
    this.#intake = intake;
    this.#taker = taker;
    this.#arrival = intake.arrival;
  }

  begin(): void {
    const { stream } = this.#intake;
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    stream.on('end', () => this.#end());
    stream.once('close', () => this.#arrival.finish());
  }

  #take(chunk: Buffer): void {
    if (this.#expects === 'end') this.#refuse(malformed(SECOND_MESSAGE));
    if (this.#expects !== 'message') return;
    // Most requests come in one piece, which needs no copy: it is read at once.
    if (this.#frame === undefined && isPlainMessage(chunk, this.#intake.maxBytes)) this.#handOver(chunk);
    else this.#collect(chunk);
  }

  #end(): void {
    if (this.#expects === 'end') {
      this.#arrival.finish();
      return this.#taker.end();
    }
    if (this.#expects !== 'message') return this.#arrival.finish();
    const isEmpty = this.#frame?.isEmpty ?? true;
    this.#refuse(malformed(isEmpty ? 'the request holds no message' : TRUNCATED));
  }

  #collect(chunk: Buffer): void {
    const { maxBytes } = this.#intake;
    const frame = (this.#frame ??= new Frame());
    let rest: Uint8Array = chunk;
    while (rest.length > 0 && !frame.isWhole) {
      rest = frame.take(rest);
      if (frame.length > maxBytes) return this.#refuse(tooLarge(maxBytes));
    }
    this.#arrival.hold(frame.heldBytes);
    if (!frame.isWhole) return;
    if (rest.length > 0) this.#refuse(malformed(SECOND_MESSAGE));
    else this.#pass(frame);
  }

  #pass(frame: Frame): void {
    const { flags } = frame;
    const fault = flagFault(flags, this.#intake.encoding);
    if (fault !== undefined) this.#refuse(malformed(fault));
    else if (flags === 0) this.#handOver(envelope(frame.open()));
    else void this.#inflate(frame.open());
  }

  async #inflate(compressed: Buffer): Promise<void> {
    const { stream, encoding, maxBytes } = this.#intake;
    const inflate = inflaterOf(encoding);
    if (inflate === undefined) return this.#refuse(UNKNOWN_ENCODING);
    stream.pause();
    // Stands in the stream meanwhile, or it would seem to have ended.
    stream.unshift(compressed);
    this.#expects = 'nothing';
    this.#arrival.finish();
    this.#arrival = this.#waitingForUs(compressed.length);
    const isGone = () => stream.destroyed || stream.closed;
    const outcome = await inflated(inflate, compressed, maxBytes, isGone);
    if (isGone()) return;
    this.#arrival.finish();
    this.#arrival = this.#intake.arrival.another((reason) => this.#refuse(givenUpFor(reason)));
    if ('fault' in outcome) return this.#refuse(outcome.fault);
    const waiting: unknown = stream.read();
    const hasMore = waiting instanceof Buffer && waiting.length > compressed.length;
    if (hasMore) this.#refuse(malformed(SECOND_MESSAGE));
    else this.#handOver(envelope(outcome.message));
  }

  // It is we who let it wait: its time does not pass, and it counts as what it holds.
  #waitingForUs(bytes: number): UnfinishedRequest {
    const waiting = this.#intake.arrival.another((reason) => {
      if (reason === 'late') this.#arrival = this.#waitingForUs(bytes);
      else this.#refuse(givenUpFor(reason));
    });
    waiting.hold(bytes);
    return waiting;
  }

  #handOver(framed: Buffer): void {
    // What comes as the stream's data meanwhile is this message again.
    this.#expects = 'handover';
    this.#arrival.hold(framed.length * COPIES);
    this.#taker.message(framed);
    this.#expects = 'end';
  }

  #refuse(refusal: Refusal): void {
    this.#expects = 'nothing';
    this.#arrival.finish();
    this.#intake.refuse(refusal);
  }
}

function isPlainMessage(bytes: Buffer, maxBytes: number): boolean {
  if (bytes.length < ENVELOPE_HEADER_LENGTH || bytes[0] !== 0) return false;
  const length = bytes.readUInt32BE(1);
  return length <= maxBytes && bytes.length === ENVELOPE_HEADER_LENGTH + length;
}
