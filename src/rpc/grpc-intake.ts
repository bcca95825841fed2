// Takes in the messages of a gRPC request: the one of a unary call is read whole before anything else sees the stream, those of a stream are
// looked over as they pass.

import type { ServerHttp2Stream } from 'node:http2';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { Code } from '@connectrpc/connect';
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

/** A request as it comes in. */
export type Intake = {
  readonly stream: ServerHttp2Stream;
  /** `grpc-encoding`, or identity. */
  readonly encoding: string;
  readonly arrival: UnfinishedRequest;
  readonly refuse: (refusal: Refusal) => void;
  readonly maxBytes: number;
};

const INFLATERS: Readonly<
  Record<string, (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>
> = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
};

/**
 * Reads the one message of the request and calls `serve` when it is whole; it stands in the stream again then, uncompressed. The request counts
 * as unfinished until its end, which grpc-js waits for.
 */
export function takeMessage(intake: Intake, serve: () => void): void {
  const { stream, arrival } = intake;
  const finish = () => arrival.finish();
  stream.once('close', finish);
  // What came with the headers is there already: most requests.
  const bytes = buffered(stream);
  if (bytes !== null && isPlainMessage(bytes, intake.maxBytes)) {
    stream.unshift(bytes);
    stream.once('end', finish);
    serve();
  } else {
    new SlowIntake(intake, serve).begin(bytes);
  }
}

/** Takes all that has arrived out of the stream. */
function buffered(stream: ServerHttp2Stream): Buffer | null {
  const bytes: unknown = stream.read();
  return bytes instanceof Buffer ? bytes : null;
}

function isPlainMessage(bytes: Buffer, maxBytes: number): boolean {
  if (bytes.length < ENVELOPE_HEADER_LENGTH || bytes[0] !== 0) return false;
  const length = bytes.readUInt32BE(1);
  return length <= maxBytes && bytes.length === ENVELOPE_HEADER_LENGTH + length;
}

/** A message that comes in pieces, or is none. */
class SlowIntake {
  readonly #intake: Intake;
  readonly #serve: () => void;
  readonly #frame = new Frame();

  constructor(intake: Intake, serve: () => void) {
    this.#intake = intake;
    this.#serve = serve;
  }

  begin(bytes: Buffer | null): void {
    const { stream } = this.#intake;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    if (bytes !== null) this.#onData(bytes);
  }

  readonly #onData = (chunk: Buffer): void => {
    const { maxBytes, arrival } = this.#intake;
    let rest: Uint8Array = chunk;
    while (rest.length > 0 && !this.#frame.isWhole) {
      rest = this.#frame.take(rest);
      if (this.#frame.length > maxBytes) return this.#refuse(tooLarge(maxBytes));
    }
    arrival.hold(this.#frame.heldBytes);
    if (!this.#frame.isWhole) return;
    if (rest.length > 0) this.#refuse(malformed(SECOND_MESSAGE));
    else this.#pass();
  };

  readonly #onEnd = (): void => {
    this.#refuse(malformed(this.#frame.isEmpty ? 'the request holds no message' : TRUNCATED));
  };

  #pass(): void {
    const { stream, arrival, encoding } = this.#intake;
    const fault = flagFault(this.#frame.flags, encoding);
    if (fault !== undefined) return this.#refuse(malformed(fault));
    this.#letGo();
    stream.pause();
    const isCompressed = this.#frame.flags !== 0;
    // Stands in the stream meanwhile, or it would seem to have ended.
    stream.unshift(envelope(this.#frame.open()));
    stream.once('end', () => arrival.finish());
    if (isCompressed) void this.#inflate();
    else this.#serve();
  }

  async #inflate(): Promise<void> {
    const { stream, encoding, maxBytes } = this.#intake;
    const inflater = INFLATERS[encoding];
    const compressed = buffered(stream);
    if (compressed === null) return;
    stream.unshift(compressed);
    if (inflater === undefined) return this.#refuse(unknownEncoding());
    try {
      const message = await inflater(compressed.subarray(ENVELOPE_HEADER_LENGTH), {
        maxOutputLength: maxBytes,
      });
      if (stream.destroyed || stream.closed) return;
      stream.read();
      stream.unshift(envelope(message));
    } catch (error) {
      return this.#refuse(isTooLong(error) ? tooLarge(maxBytes) : malformed('a message does not decompress'));
    }
    this.#serve();
  }

  #letGo(): void {
    const { stream } = this.#intake;
    stream.off('data', this.#onData);
    stream.off('end', this.#onEnd);
  }

  #refuse(refusal: Refusal): void {
    this.#letGo();
    this.#intake.arrival.finish();
    this.#intake.refuse(refusal);
  }
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
    return fault === undefined ? undefined : malformed(fault);
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
