// Takes in the messages of a gRPC request: the one of a unary call is read whole before anything else sees the stream, those of a stream are
// looked over as they pass.

import type { ServerHttp2Stream } from 'node:http2';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { Slots } from '../edge/slots.ts';
import type { UnfinishedRequest } from '../edge/unfinished-requests.ts';
import type { DomainError } from '../domain/errors.ts';
import { validationFailed } from '../domain/errors.ts';
import { givenUpFor } from './given-up.ts';
import {
  envelope,
  ENVELOPE_HEADER_LENGTH,
  flagFault,
  Frame,
  FrameHeaders,
  SECOND_MESSAGE,
  TRUNCATED,
} from './envelope.ts';

/** Why a request is refused: as the domain does, or by a bare code. */
export type Refusal = DomainError | { readonly code: Code; readonly message: string };

const UNREADABLE = 'a message does not decompress';
/** Over all requests: what is inflated may grow to the limit of its method. */
const inflations = new Slots(4);
/** What is held of a message that was let through until the request has ended: grpc-js copies it. */
const COPIES = 2;

/** A request as it comes in. */
export type Intake = {
  readonly stream: ServerHttp2Stream;
  /** `grpc-encoding`, or identity. */
  readonly encoding: string;
  readonly arrival: UnfinishedRequest;
  readonly refuse: (refusal: Refusal) => void;
  readonly maxBytes: number;
};

type Inflater = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

// A map: of an object, the caller could name what every object has.
const INFLATERS: ReadonlyMap<string, Inflater> = new Map([
  ['gzip', promisify(gunzip) as Inflater],
  ['deflate', promisify(inflate) as Inflater],
]);

/**
 * Reads the one message of the request and calls `serve` when it is whole; what serves gets it as the stream's data, in one piece and uncompressed.
 * The request counts as unfinished until its end, which grpc-js waits for.
 */
export function takeMessage(intake: Intake, serve: () => void): void {
  new MessageIntake(intake, serve).begin();
}

class MessageIntake {
  readonly #intake: Intake;
  readonly #serve: () => void;
  #expects: 'message' | 'handover' | 'end' | 'nothing' = 'message';
  /** Of a message that comes in pieces. */
  #frame: Frame | undefined;
  #arrival: UnfinishedRequest;

  constructor(intake: Intake, serve: () => void) {
    this.#intake = intake;
    this.#serve = serve;
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
    const inflater = INFLATERS.get(encoding);
    if (inflater === undefined) return this.#refuse(unknownEncoding());
    stream.pause();
    // Stands in the stream meanwhile, or it would seem to have ended.
    stream.unshift(compressed);
    this.#expects = 'nothing';
    this.#arrival.finish();
    this.#arrival = this.#waitingForUs(compressed.length);
    const inflated = await inflations
      .run(async () => (isGone(stream) ? undefined : inflater(compressed, { maxOutputLength: maxBytes })))
      .then(
        (message) => ({ message }),
        (error: unknown) => ({ fault: isTooLong(error) ? tooLarge(maxBytes) : malformed(UNREADABLE) }),
      );
    if (isGone(stream)) return;
    this.#arrival.finish();
    this.#arrival = this.#intake.arrival.another((reason) => this.#refuse(givenUpFor(reason)));
    if ('fault' in inflated) return this.#refuse(inflated.fault);
    const waiting: unknown = stream.read();
    const hasMore = waiting instanceof Buffer && waiting.length > compressed.length;
    if (hasMore) this.#refuse(malformed(SECOND_MESSAGE));
    else this.#handOver(envelope(inflated.message ?? Buffer.alloc(0)));
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

  // By an event of its own: put back into the stream, it would come a second time to whoever listens already.
  #handOver(framed: Buffer): void {
    this.#expects = 'handover';
    this.#arrival.hold(framed.length * COPIES);
    this.#serve();
    this.#intake.stream.emit('data', framed);
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

function malformed(description: string): DomainError {
  return validationFailed([{ field: '', description }]);
}

function tooLarge(maxBytes: number): Refusal {
  return { code: Code.ResourceExhausted, message: `A message is larger than ${maxBytes} bytes.` };
}

// grpc-js would inflate as many of them as it reads ahead, each to whatever size.
const COMPRESSED_IN_STREAM: Refusal = {
  code: Code.Unimplemented,
  message: 'Where a request is a stream of messages, they are taken uncompressed.',
};

function isGone(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed;
}

// https://github.com/grpc/grpc/blob/master/doc/compression.md
function unknownEncoding(): Refusal {
  return {
    code: Code.Unimplemented,
    message: 'The message is compressed by an encoding that is not known here.',
  };
}

function isTooLong(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}
