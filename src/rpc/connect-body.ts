// Sets request bodies aside before connect-es decodes them, so that the pipeline decodes them, after it has let the caller in and with errors
// of its own. connect-es has no hook for this: it is handed an empty message in the same format, and the real one travels beside it.

import type { ContextKey } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';
import type {
  UniversalHandler,
  UniversalHandlerFn,
  UniversalServerRequest,
} from '@connectrpc/connect/protocol';

/** A request that nobody has decoded. */
export type SetAsideBody = { readonly format: 'binary' | 'json'; readonly bytes: Uint8Array };

const CONTENT_TYPE =
  /^application\/(?<framed>grpc-web|connect)?(?:\+|(?<=\/))?(?<format>proto|json)?(?:\s*;.*)?$/i;
const ENVELOPE_HEADER_LENGTH = 5;

/** How the messages of a request are written, by its content type; undefined for a type that is none of ours. */
export function formatOf(header: Headers): SetAsideBody['format'] | undefined {
  const type = CONTENT_TYPE.exec(header.get('content-type') ?? '')?.groups;
  if (type === undefined) return undefined;
  return type['format']?.toLowerCase() === 'json' ? 'json' : 'binary';
}

/** The handler, with the body of each request set aside under `key`. What is not one plain message goes through as it came. */
export function settingBodyAside(
  handler: UniversalHandler,
  key: ContextKey<SetAsideBody | undefined>,
  maxBytes: number,
): UniversalHandler {
  return inPlaceOf(handler, async (request) => handler(await setAside(request, key, maxBytes)));
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
  key: ContextKey<SetAsideBody | undefined>,
  maxBytes: number,
): Promise<UniversalServerRequest> {
  const type = CONTENT_TYPE.exec(request.header.get('content-type') ?? '')?.groups;
  if (
    request.method !== 'POST' ||
    type === undefined ||
    isCompressed(request.header) ||
    !isStream(request.body)
  )
    return request;
  const isFramed = type['framed'] !== undefined;
  const read = await readUpTo(request.body, isFramed ? maxBytes + ENVELOPE_HEADER_LENGTH : maxBytes);
  if (!read.isWhole) return { ...request, body: read.chunks };

  const format = type['format']?.toLowerCase() === 'json' ? 'json' : 'binary';
  const bytes = isFramed ? openEnvelope(read.bytes) : read.bytes;
  if (bytes === undefined) return { ...request, body: once(read.bytes) };
  request.contextValues?.set(key, { format, bytes });
  const empty = Buffer.from(format === 'json' ? '{}' : '');
  const header = new Headers(request.header);
  header.delete('content-length');
  return { ...request, header, body: once(isFramed ? envelope(empty) : empty) };
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

async function readUpTo(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Read> {
  const rest = body[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let next = await nextOf(rest); next.done !== true; next = await nextOf(rest)) {
    chunks.push(next.value);
    length += next.value.byteLength;
    if (length > maxBytes) return { isWhole: false, chunks: rejoin(chunks, rest) };
  }
  return { isWhole: true, bytes: Buffer.concat(chunks) };
}

// A caller that hangs up in the middle is gone, and that is no fault to report.
async function nextOf(rest: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  try {
    return await rest.next();
  } catch (error) {
    throw new ConnectError('the request broke off', Code.Canceled, undefined, undefined, error);
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

/** The one uncompressed message of a framed request (gRPC-Web, and streams of Connect); undefined when it is anything else. */
function openEnvelope(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.byteLength < ENVELOPE_HEADER_LENGTH || bytes[0] !== 0) return undefined;
  const length = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32BE(1);
  return bytes.byteLength === ENVELOPE_HEADER_LENGTH + length
    ? bytes.subarray(ENVELOPE_HEADER_LENGTH)
    : undefined;
}

function envelope(bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(ENVELOPE_HEADER_LENGTH);
  header.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([header, bytes]);
}
