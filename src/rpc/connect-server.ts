// The connect-node adapter: Connect and gRPC-Web, over HTTP/1.1 and HTTP/2.

import type {
  DescMethod,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  Message,
} from '@bufbuild/protobuf';
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';
import { Code, ConnectError, createContextKey, createContextValues } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Call, Transport } from './call.ts';
import type { ClientStreamHandler, UndecodedMessage } from './client-stream-pipeline.ts';
import { serveClientStream } from './client-stream-pipeline.ts';
import type { SetAsideBody } from './connect-body.ts';
import { settingBodyAside } from './connect-body.ts';
import type { RawMessages } from './connect-messages.ts';
import { settingMessagesAside } from './connect-messages.ts';
import { decodeBinary, decodeJson } from './decode-message.ts';
import { DomainError } from '../domain/errors.ts';
import type { RpcError } from './error-table.ts';
import { toRpcError } from './error-table.ts';
import { limitHeaders, retryAfter } from './limit-headers.ts';
import type { ServedService } from './handlers/handlers.ts';
import type { Handler } from './pipeline.ts';
import { serveMethod } from './pipeline.ts';
import type { StreamPipelineDeps } from './stream-life.ts';
import type { StreamHandler } from './stream-pipeline.ts';
import { serveStream } from './stream-pipeline.ts';

/** What bounds a call. */
export type ConnectLimits = { readonly maxMessageBytes: number };

/** A listener for Node's HTTP servers. */
export type NodeHandler = ReturnType<typeof connectNodeAdapter>;

// A longer timeout asked for is refused; the pipeline ends every call far sooner.
const MAX_TIMEOUT_MS = 3_600_000;

const peerAddress = createContextKey('', { description: 'address at the other end of the connection' });

const requestBody = createContextKey<SetAsideBody | undefined>(undefined, {
  description: 'the request, not yet decoded',
});

const requestMessages = createContextKey<RawMessages | undefined>(undefined, {
  description: 'the messages of a client-streaming request, not yet read',
});

/** Serves every method of `services` behind the pipeline; other paths go to `fallback`. */
export function createConnectHandler(
  deps: StreamPipelineDeps,
  services: readonly ServedService[],
  limits: ConnectLimits,
  fallback: NodeHandler,
): NodeHandler {
  return connectNodeAdapter({
    routes: (router) => {
      for (const served of services) addService(router, deps, served);
      const decodedHere = router.handlers.map((handler) =>
        handler.method.methodKind === 'client_streaming'
          ? settingMessagesAside(handler, requestMessages, limits.maxMessageBytes)
          : settingBodyAside(handler, requestBody, limits.maxMessageBytes),
      );
      router.handlers.splice(0, router.handlers.length, ...decodedHere);
    },
    contextValues: (request) => createContextValues().set(peerAddress, request.socket.remoteAddress ?? ''),
    readMaxBytes: limits.maxMessageBytes,
    writeMaxBytes: limits.maxMessageBytes,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    // Requests are small, and compressed secrets can be guessed by their length (CVE-2013-3587 class).
    acceptCompression: [],
    grpc: false,
    fallback,
  });
}

function addService(router: ConnectRouter, deps: StreamPipelineDeps, served: ServedService): void {
  for (const method of served.service.methods) {
    const handler = served.handlers.get(method.localName);
    const streamHandler = served.streamHandlers.get(method.localName);
    const clientStreamHandler = served.clientStreamHandlers.get(method.localName);
    if (handler !== undefined && isUnary(method)) addUnary(router, deps, method, handler);
    else if (streamHandler !== undefined && isServerStreaming(method))
      addStreaming(router, deps, method, streamHandler);
    else if (clientStreamHandler !== undefined && isClientStreaming(method))
      addClientStreaming(router, deps, method, clientStreamHandler);
    else throw new Error(`${method.parent.typeName}/${method.name} has no handler`);
  }
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}

function isServerStreaming(method: DescMethod): method is DescMethodServerStreaming {
  return method.methodKind === 'server_streaming';
}

function isClientStreaming(method: DescMethod): method is DescMethodClientStreaming {
  return method.methodKind === 'client_streaming';
}

function addUnary(
  router: ConnectRouter,
  deps: StreamPipelineDeps,
  method: DescMethodUnary,
  handler: Handler,
): void {
  const serve = serveMethod(deps, method, handler);
  router.rpc(method, async (request, context) => {
    const outcome = await serve(transportOf(context), () => decode(method, context, request));
    setHeaders(context, outcome.call);
    if ('error' in outcome) throw connectError(inTime(context, outcome.error));
    return outcome.response;
  });
}

function addStreaming(
  router: ConnectRouter,
  deps: StreamPipelineDeps,
  method: DescMethodServerStreaming,
  handler: StreamHandler,
): void {
  const serve = serveStream(deps, method, handler);
  router.rpc(method, async function* stream(request, context) {
    const served = serve(transportOf(context), () => decode(method, context, request));
    let step = await served.next();
    setHeaders(context, served.call);
    for (; 'message' in step; step = await served.next()) yield step.message;
    if (step.end !== undefined) throw connectError(inTime(context, step.end));
  });
}

function addClientStreaming(
  router: ConnectRouter,
  deps: StreamPipelineDeps,
  method: DescMethodClientStreaming,
  handler: ClientStreamHandler,
): void {
  const serve = serveClientStream(deps, method, handler);
  router.rpc(method, async (requests, context) => {
    // Holds no message; what the library finds wrong with the headers it tells when it is read.
    for await (const _request of requests) break;
    const raw = context.values.get(requestMessages);
    if (raw === undefined) throw new Error('the messages of the request are not there');
    const outcome = await serve(streamTransportOf(context, raw.tooLarge), undecodedMessages(method, raw));
    setHeaders(context, outcome.call);
    if (raw.tooLarge.aborted)
      throw new ConnectError('a message is larger than this server takes', Code.ResourceExhausted);
    if ('error' in outcome) throw connectError(inTime(context, outcome.error));
    return outcome.response;
  });
}

async function* undecodedMessages(
  method: DescMethod,
  { format, messages }: RawMessages,
): AsyncGenerator<UndecodedMessage> {
  const decodeOne = format === 'json' ? decodeJson : decodeBinary;
  for await (const bytes of messages) yield () => decodeOne(method, bytes);
}

// As grpc-js has it: a message that is too large ends the call as if its caller had gone, and another answer is sent.
function streamTransportOf(context: HandlerContext, tooLarge: AbortSignal): Transport {
  const transport = transportOf(context);
  return {
    ...transport,
    onCancelled(listener) {
      tooLarge.addEventListener('abort', listener, { once: true });
      transport.onCancelled(listener);
    },
  };
}

function setHeaders(context: HandlerContext, call: Call | undefined): void {
  context.responseHeader.set('cache-control', 'no-store');
  if (call === undefined) return;
  // Each cookie has a header of its own (RFC 6265, section 3).
  for (const [name, value] of headersOf(call)) context.responseHeader.append(name, value);
}

function headersOf({ requestId, limit, setCookies }: Call): ReadonlyArray<readonly [string, string]> {
  return [
    ['x-request-id', requestId],
    ...(limit === undefined ? [] : limitHeaders(limit)),
    ...setCookies.map((cookie) => ['set-cookie', cookie] as const),
  ];
}

function decode(method: DescMethod, context: HandlerContext, decoded: Message): Message {
  const body = context.values.get(requestBody);
  if (body === undefined) return decoded;
  return body.format === 'json' ? decodeJson(method, body.bytes) : decodeBinary(method, body.bytes);
}

function transportOf(context: HandlerContext): Transport {
  return {
    headerValues: (name) => {
      const value = context.requestHeader.get(name);
      return value === null ? [] : [value];
    },
    requestBytes: undefined,
    // What is asked for by GET is the same for everyone.
    takesCookies: context.requestMethod === 'POST',
    timeoutMs: context.timeoutMs(),
    peerAddress: context.values.get(peerAddress),
    onCancelled(listener) {
      if (context.signal.aborted) listener();
      else context.signal.addEventListener('abort', listener, { once: true });
    },
  };
}

// The library tells of a deadline that has passed as of a caller that has gone.
function inTime(context: HandlerContext, error: RpcError): RpcError {
  const isPast = (context.timeoutMs() ?? 1) <= 0;
  if (error.reason !== 'CALL_CANCELLED' || !isPast) return error;
  return toRpcError(new DomainError('DEADLINE_EXCEEDED', 'The time for the call is up.'), error.requestId);
}

function connectError(error: RpcError): ConnectError {
  const details = error.details.map(({ schema, value }) => ({ desc: schema, value }));
  const headers = retryAfter(error).map((seconds): [string, string] => ['retry-after', seconds]);
  return new ConnectError(error.message, error.code, headers, details);
}
