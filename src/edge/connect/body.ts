// Sets request bodies aside before connect-es decodes them, so that the pipeline decodes them, after it has let the caller in and with errors
// of its own. connect-es has no hook for this: it is handed an empty message in the same format, and the real one travels beside it.

import type { ContextKey } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';
import type {
  UniversalHandler,
  UniversalHandlerFn,
  UniversalServerRequest,
} from '@connectrpc/connect/protocol';
import type { MessageFormat } from './format.ts';
import { framedFormatOf } from './format.ts';
import { GrowingBuffer } from '../transport/growing-buffer.ts';
import type { UnfinishedRequest } from '../transport/unfinished-requests.ts';
import {
  envelope,
  ENVELOPE_HEADER_LENGTH,
  flagFault,
  SECOND_MESSAGE,
  TRUNCATED,
} from '../messages/envelope.ts';

/** A request that nobody has decoded. */
export type SetAsideBody = { readonly format: MessageFormat; readonly bytes: Uint8Array };

/** The keys under which a request travels beside the one that connect-es reads. */
export type AsideKeys = {
  readonly body: ContextKey<SetAsideBody | undefined>;
  /** What is wrong with the form of the request, for the pipeline to refuse it with. */
  readonly fault: ContextKey<string | undefined>;
  readonly arrival: ContextKey<Arrival | undefined>;
};

/** The place of a request among those that have not arrived whole. */
export type Arrival = Pick<UnfinishedRequest, 'hold' | 'finish' | 'another'>;

/** The handler, with the body of each request set aside. What is compressed, or of a type of nobody's, goes through as it came. */
export function settingBodyAside(
  handler: UniversalHandler,
  keys: AsideKeys,
  maxBytes: number,
): UniversalHandler {
  return inPlaceOf(handler, async (request) => handler(await setAside(request, keys, maxBytes)));
}

/** `serve`, for the requests that `handler` is for. */
export function inPlaceOf(handler: UniversalHandler, serve: UniversalHandlerFn): UniversalHandler {
  const { protocolNames, service, method, requestPath, allowedMethods, supportedContentType } = handler;
  return Object.assign(serve, {
    protocolNames,
    service,
    method,
    requestPath,
    allowedMethods,
    supportedContentType,
  });
}

async function setAside(
  request: UniversalServerRequest,
  keys: AsideKeys,
  maxBytes: number,
): Promise<UniversalServerRequest> {
  const format = framedFormatOf(request.header.get('content-type') ?? undefined);
  if (
    request.method !== 'POST' ||
    format === undefined ||
    isCompressed(request.header) ||
    !isStream(request.body)
  )
    return request;
  const read = await readUpTo(
    request.body,
    maxBytes + ENVELOPE_HEADER_LENGTH,
    request.contextValues?.get(keys.arrival),
  );
  if (!read.isWhole) return { ...request, body: read.chunks };

  const opened = openEnvelope(read.bytes);
  if ('fault' in opened) request.contextValues?.set(keys.fault, opened.fault);
  else request.contextValues?.set(keys.body, { format, bytes: opened.bytes });
  const header = new Headers(request.header);
  header.delete('content-length');
  return { ...request, header, body: once(envelope(Buffer.from(format === 'json' ? '{}' : ''))) };
}

function isCompressed(header: Headers): boolean {
  const names = ['content-encoding', 'connect-content-encoding', 'grpc-encoding'];
  return names.some((name) => (header.get(name) ?? 'identity') !== 'identity');
}

/** Whether the body is read as it comes. */
export function isStream(body: UniversalServerRequest['body']): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

type Read =
  | { readonly isWhole: true; readonly bytes: Uint8Array }
  /** All the chunks, those that were read and those that were not. */
  | { readonly isWhole: false; readonly chunks: AsyncIterable<Uint8Array> };

async function readUpTo(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  arrival: Arrival | undefined,
): Promise<Read> {
  const rest = body[Symbol.asyncIterator]();
  const read = new GrowingBuffer();
  for (let next = await nextOf(rest); next.done !== true; next = await nextOf(rest)) {
    if (read.length + next.value.byteLength > maxBytes)
      return { isWhole: false, chunks: rejoin([read.bytes, next.value], rest) };
    read.append(next.value);
    arrival?.hold(read.heldBytes);
  }
  return { isWhole: true, bytes: read.bytes };
}

// A caller that hangs up in the middle is gone, and that is no fault to report: connect-node prints whatever is not ABORTED to standard error.
async function nextOf(rest: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  try {
    return await rest.next();
  } catch (error) {
    throw new ConnectError('the request broke off', Code.Aborted, undefined, undefined, error);
  }
}

async function* rejoin(
  chunks: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* chunks;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The one message of a framed request (gRPC-Web, and streams of Connect), or what is wrong with its frames. No compression has been agreed on. */
function openEnvelope(bytes: Uint8Array): { readonly bytes: Uint8Array } | { readonly fault: string } {
  const [flags] = bytes;
  if (flags === undefined) return { fault: 'the request holds no message' };
  const fault = flagFault(flags, 'identity');
  if (fault !== undefined) return { fault };
  if (bytes.byteLength < ENVELOPE_HEADER_LENGTH) return { fault: TRUNCATED };
  const length = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32BE(1);
  const rest = bytes.byteLength - ENVELOPE_HEADER_LENGTH - length;
  if (rest < 0) return { fault: TRUNCATED };
  return rest > 0 ? { fault: SECOND_MESSAGE } : { bytes: bytes.subarray(ENVELOPE_HEADER_LENGTH) };
}
