// Takes the messages of a client's stream out of the request before connect-es reads it, so that the pipeline draws and decodes them, after it has
// let the caller in and with errors of its own. connect-es is handed a stream without messages.

import type { ContextKey } from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerResponse } from '@connectrpc/connect/protocol';
import { DomainError, validationFailed } from '../../domain/errors.ts';
import { givenUpFor } from '../pipeline/given-up.ts';
import type { Arrival } from './body.ts';
import { inPlaceOf, isStream } from './body.ts';
import type { MessageFormat } from './format.ts';
import { framedFormatOf } from './format.ts';
import { flagFault, Frame, TRUNCATED } from '../messages/envelope.ts';

/** The messages of one call, that nobody has decoded. */
export type RawMessages = {
  readonly format: MessageFormat;
  /** Read from the connection as they are asked for. Errors: VALIDATION_FAILED where a frame is broken, CALL_CANCELLED. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** Aborts at a message that is larger than may be; there are no more then. */
  readonly tooLarge: AbortSignal;
};

/** How many messages' worth of a stream that was refused are read and thrown away, so that its sender reads why. */
const MAX_DRAINED_MESSAGES = 16;

/** The handler of a client-streaming method, with the messages of each request set aside. */
export function settingMessagesAside(
  handler: UniversalHandler,
  keys: {
    readonly messages: ContextKey<RawMessages | undefined>;
    readonly arrival: ContextKey<Arrival | undefined>;
  },
  maxBytes: number,
): UniversalHandler {
  return inPlaceOf(handler, async (request) => {
    const format = framedFormatOf(request.header.get('content-type') ?? undefined);
    if (format === undefined || !isStream(request.body)) return handler(request);
    const chunks = request.body[Symbol.asyncIterator]();
    const tooLarge = new AbortController();
    const arrival = request.contextValues?.get(keys.arrival);
    // From here on each message has its own time to arrive, and between two of them there may pass as much as the caller likes.
    arrival?.finish();
    const messages = messagesIn(chunks, { maxBytes, arrival, onTooLarge: () => tooLarge.abort() });
    request.contextValues?.set(keys.messages, { format, messages, tooLarge: tooLarge.signal });
    const response = await handler({ ...request, body: nothing() });
    const body = answerThenDrain(response.body, chunks, maxBytes * MAX_DRAINED_MESSAGES);
    return { ...response, ...(body === undefined ? {} : { body }) };
  });
}

type Bounds = {
  readonly maxBytes: number;
  readonly arrival: Arrival | undefined;
  readonly onTooLarge: () => void;
};

async function* messagesIn(
  chunks: AsyncIterator<Uint8Array>,
  { maxBytes, arrival, onTooLarge }: Bounds,
): AsyncGenerator<Uint8Array> {
  const frame = new Frame();
  const begun = new BegunMessage(arrival);
  try {
    for (let step = await nextOf(chunks); step.done !== true; step = await begun.next(frame, chunks)) {
      for (let rest = step.value; rest.length > 0;) {
        rest = frame.take(rest);
        if (frame.length > maxBytes) {
          onTooLarge();
          return;
        }
        if (!frame.isWhole) continue;
        begun.end();
        const fault = flagFault(frame.flags, 'identity');
        if (fault !== undefined) throw broken(fault);
        yield frame.open();
      }
    }
    if (!frame.isEmpty) throw broken(TRUNCATED);
  } finally {
    begun.end();
  }
}

/** A message of which a part has come: it has a place among the unfinished ones until the rest has. */
class BegunMessage {
  readonly #arrival: Arrival | undefined;
  #unfinished: Pick<Arrival, 'hold' | 'finish'> | undefined;
  #givenUp: Promise<never> | undefined;

  constructor(arrival: Arrival | undefined) {
    this.#arrival = arrival;
  }

  /** The next chunk. Errors: those of `nextOf`; DEADLINE_EXCEEDED, OVERLOADED when the message is given up. */
  next(frame: Frame, chunks: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    if (frame.isEmpty) return nextOf(chunks);
    this.#unfinished ??= this.#begin();
    this.#unfinished?.hold(frame.heldBytes);
    return this.#givenUp === undefined ? nextOf(chunks) : Promise.race([nextOf(chunks), this.#givenUp]);
  }

  end(): void {
    this.#unfinished?.finish();
    this.#unfinished = undefined;
    this.#givenUp = undefined;
  }

  #begin(): Pick<Arrival, 'hold' | 'finish'> | undefined {
    const { promise, reject } = Promise.withResolvers<never>();
    // It may be given up while nobody waits for it.
    promise.catch(() => undefined);
    this.#givenUp = promise;
    return this.#arrival?.another((reason) => reject(givenUpFor(reason)));
  }
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
