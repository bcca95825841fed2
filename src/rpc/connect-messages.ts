// Takes the messages of a client's stream out of the request before connect-es reads it, so that the pipeline draws and decodes them, after it has
// let the caller in and with errors of its own. connect-es is handed a stream without messages.

import type { ContextKey } from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerResponse } from '@connectrpc/connect/protocol';
import { DomainError, validationFailed } from '../domain/errors.ts';
import { formatOf, inPlaceOf, isStream } from './connect-body.ts';

/** The messages of one call, that nobody has decoded. */
export type RawMessages = {
  readonly format: 'binary' | 'json';
  /** Read from the connection as they are asked for. Errors: VALIDATION_FAILED where a frame is broken, CALL_CANCELLED. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** Aborts at a message that is larger than may be; there are no more then. */
  readonly tooLarge: AbortSignal;
};

const HEADER_LENGTH = 5;
const FIRST_ALLOCATION = 65_536;
/** How many messages' worth of a stream that was refused are read and thrown away, so that its sender reads why. */
const MAX_DRAINED_MESSAGES = 16;

/** The handler of a client-streaming method, with the messages of each request set aside under `key`. */
export function settingMessagesAside(
  handler: UniversalHandler,
  key: ContextKey<RawMessages | undefined>,
  maxBytes: number,
): UniversalHandler {
  return inPlaceOf(handler, async (request) => {
    const format = formatOf(request.header);
    if (format === undefined || !isStream(request.body)) return handler(request);
    const chunks = request.body[Symbol.asyncIterator]();
    const tooLarge = new AbortController();
    const messages = messagesIn(chunks, maxBytes, () => tooLarge.abort());
    request.contextValues?.set(key, { format, messages, tooLarge: tooLarge.signal });
    const response = await handler({ ...request, body: nothing() });
    const body = answerThenDrain(response.body, chunks, maxBytes * MAX_DRAINED_MESSAGES);
    return { ...response, ...(body === undefined ? {} : { body }) };
  });
}

async function* messagesIn(
  chunks: AsyncIterator<Uint8Array>,
  maxBytes: number,
  onTooLarge: () => void,
): AsyncGenerator<Uint8Array> {
  const frame = new Frame();
  for (let next = await nextOf(chunks); next.done !== true; next = await nextOf(chunks)) {
    for (let rest = next.value; rest.length > 0;) {
      rest = frame.take(rest);
      if (frame.length > maxBytes) {
        onTooLarge();
        return;
      }
      if (frame.isWhole) yield frame.open();
    }
  }
  if (!frame.isEmpty) throw broken('the stream ends in the middle of a message');
}

// A caller that hangs up in the middle is gone, and that is no fault to report.
async function nextOf(chunks: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  try {
    return await chunks.next();
  } catch (cause) {
    throw new DomainError('CALL_CANCELLED', 'The caller is gone.', { cause });
  }
}

function broken(description: string): DomainError {
  return validationFailed([{ field: '', description }]);
}

/** One frame as it grows: flags, length, and as many bytes. Grows as they come, for the length is only what its sender says. */
class Frame {
  readonly #header = Buffer.alloc(HEADER_LENGTH);
  #headerLength = 0;
  #body = Buffer.alloc(0);
  #bodyLength = 0;

  get isEmpty(): boolean {
    return this.#headerLength === 0;
  }

  /** How long the message is; 0 until that is known. */
  get length(): number {
    return this.#headerLength === HEADER_LENGTH ? this.#header.readUInt32BE(1) : 0;
  }

  get isWhole(): boolean {
    return this.#headerLength === HEADER_LENGTH && this.#bodyLength === this.length;
  }

  /** Takes what belongs to this frame; the rest is left. */
  take(bytes: Uint8Array): Uint8Array {
    if (this.#headerLength < HEADER_LENGTH) {
      const head = bytes.subarray(0, HEADER_LENGTH - this.#headerLength);
      this.#header.set(head, this.#headerLength);
      this.#headerLength += head.length;
      return bytes.subarray(head.length);
    }
    const part = bytes.subarray(0, this.length - this.#bodyLength);
    this.#makeRoom(this.#bodyLength + part.length);
    this.#body.set(part, this.#bodyLength);
    this.#bodyLength += part.length;
    return bytes.subarray(part.length);
  }

  /** The message; the next frame begins. Errors: VALIDATION_FAILED when it is compressed or marked as anything but a message. */
  open(): Uint8Array {
    if (this.#header[0] !== 0) throw broken('a frame of the stream is no plain message');
    const message = this.#body.subarray(0, this.#bodyLength);
    this.#headerLength = 0;
    this.#bodyLength = 0;
    this.#body = Buffer.alloc(0);
    return message;
  }

  #makeRoom(length: number): void {
    if (length <= this.#body.length) return;
    const room = Math.min(this.length, Math.max(length, this.#body.length * 2, FIRST_ALLOCATION));
    const body = Buffer.allocUnsafe(room);
    this.#body.copy(body, 0, 0, this.#bodyLength);
    this.#body = body;
  }
}

// A stream without messages.
async function* nothing(): AsyncGenerator<Uint8Array> {}

function answerThenDrain(
  body: UniversalServerResponse['body'],
  chunks: AsyncIterator<Uint8Array>,
  maxBytes: number,
): AsyncIterable<Uint8Array> | undefined {
  if (body === undefined) return undefined;
  return (async function* answer() {
    try {
      yield* body;
    } finally {
      // When the answer has been handed over.
      setImmediate(() => {
        drain(chunks, maxBytes).catch(() => undefined);
      });
    }
  })();
}

async function drain(chunks: AsyncIterator<Uint8Array>, maxBytes: number): Promise<void> {
  for (let left = maxBytes; left > 0;) {
    const next = await chunks.next();
    if (next.done === true) return;
    left -= next.value.length;
  }
  await chunks.return?.();
}
