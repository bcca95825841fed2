// Streams of Connect, and gRPC-Web, by connect-node.

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
import type { Call, Transport } from '../pipeline/call.ts';
import type { ClientStreamHandler, UndecodedMessage } from '../pipeline/client-stream-pipeline.ts';
import { serveClientStream } from '../pipeline/client-stream-pipeline.ts';
import type { Arrival, SetAsideBody } from './body.ts';
import { settingBodyAside } from './body.ts';
import { withLostReaders } from './lost-reader.ts';
import type { RawMessages } from './messages.ts';
import { settingMessagesAside } from './messages.ts';
import { checkingTimeout } from './timeout.ts';
import { decodeMessage, messageOf } from '../messages/decode-message.ts';
import { DomainError, validationFailed } from '../../domain/errors.ts';
import type { RpcError } from '../pipeline/error-table.ts';
import { toRpcError } from '../pipeline/error-table.ts';
import { limitHeaders, retryAfter } from '../pipeline/limit-headers.ts';
import type { ServedService } from '../operations/handlers.ts';
import type { Handler } from '../pipeline/operation.ts';
import { arrivalOf } from '../http/request-arrival.ts';
import { serveMethod } from '../pipeline/pipeline.ts';
import type { StreamPipelineDeps } from '../pipeline/stream-life.ts';
import type { StreamHandler } from '../pipeline/stream-pipeline.ts';
import { serveStream } from '../pipeline/stream-pipeline.ts';
import { MAX_TIMEOUT_MS } from '../messages/timeout-header.ts';

/** What bounds a call. */
export type ConnectLimits = {
  /** The largest message that a caller of the method may send. */
  readonly maxMessageBytes: (method: DescMethod) => number;
  readonly maxResponseBytes: number;
};

/** What each method is served with. Options of a method stand in for all choices of protocols that the router was given. */
type ReadOptions = { readonly readMaxBytes: number; readonly grpc: false; readonly connect?: false };

/** A listener for Node's HTTP servers. */
type NodeHandler = ReturnType<typeof connectNodeAdapter>;

const peerAddress = createContextKey('', { description: 'address at the other end of the connection' });

const requestBody = createContextKey<SetAsideBody | undefined>(undefined, {
  description: 'the request, not yet decoded',
});

const requestFault = createContextKey<string | undefined>(undefined, {
  description: 'what is wrong with the form of the request',
});

const requestMessages = createContextKey<RawMessages | undefined>(undefined, {
  description: 'the messages of a client-streaming request, not yet read',
});

const requestArrival = createContextKey<Arrival | undefined>(undefined, {
  description: 'the place of the request among those that have not arrived whole',
});

const BODY_KEYS = { body: requestBody, fault: requestFault, arrival: requestArrival };
const MESSAGE_KEYS = { messages: requestMessages, arrival: requestArrival };

/** A listener for every method of `services`. */
export function libraryHandler(
  deps: StreamPipelineDeps,
  services: readonly ServedService[],
  limits: ConnectLimits,
): NodeHandler {
  const handle = connectNodeAdapter({
    routes: (router) => {
      for (const served of services) addService(router, deps, served, limits);
      const decodedHere = router.handlers.map((handler) => {
        const maxBytes = limits.maxMessageBytes(handler.method);
        const aside =
          handler.method.methodKind === 'client_streaming'
            ? settingMessagesAside(handler, MESSAGE_KEYS, maxBytes)
            : settingBodyAside(handler, BODY_KEYS, maxBytes);
        return checkingTimeout(aside, requestFault);
      });
      router.handlers.splice(0, router.handlers.length, ...decodedHere);
    },
    contextValues: (request) =>
      createContextValues()
        .set(peerAddress, request.socket.remoteAddress ?? '')
        .set(requestArrival, arrivalOf(request)),
    writeMaxBytes: limits.maxResponseBytes,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    // Requests are small, and compressed secrets can be guessed by their length (CVE-2013-3587 class).
    acceptCompression: [],
    grpc: false,
  });
  return withLostReaders(handle);
}

function addService(
  router: ConnectRouter,
  deps: StreamPipelineDeps,
  served: ServedService,
  limits: ConnectLimits,
): void {
  for (const method of served.service.methods) {
    const options: ReadOptions = { readMaxBytes: limits.maxMessageBytes(method), grpc: false };
    const handler = served.handlers.get(method.localName);
    const streamHandler = served.streamHandlers.get(method.localName);
    const clientStreamHandler = served.clientStreamHandlers.get(method.localName);
    if (handler !== undefined && isUnary(method))
      addUnary(router, deps, method, handler, { ...options, connect: false });
    else if (streamHandler !== undefined && isServerStreaming(method))
      addStreaming(router, deps, method, streamHandler, options);
    else if (clientStreamHandler !== undefined && isClientStreaming(method))
      addClientStreaming(router, deps, method, clientStreamHandler, options);
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
  options: ReadOptions,
): void {
  const serve = serveMethod(deps, method, handler);
  router.rpc(
    method,
    async (request, context) => {
      const outcome = await serve(transportOf(context), () => ({
        bytes: undefined,
        decode: () => decode(method, context, request),
      }));
      setHeaders(context, outcome.call);
      if ('error' in outcome) throw connectError(inTime(context, outcome.error));
      return messageOf(method, outcome.response);
    },
    options,
  );
}

function addStreaming(
  router: ConnectRouter,
  deps: StreamPipelineDeps,
  method: DescMethodServerStreaming,
  handler: StreamHandler,
  options: ReadOptions,
): void {
  const serve = serveStream(deps, method, handler);
  router.rpc(
    method,
    async function* stream(request, context) {
      const served = serve(transportOf(context), () => decode(method, context, request));
      let step = await served.next();
      setHeaders(context, served.call);
      for (; 'message' in step; step = await served.next()) yield step.message;
      if (step.end !== undefined) throw connectError(inTime(context, step.end));
    },
    options,
  );
}

function addClientStreaming(
  router: ConnectRouter,
  deps: StreamPipelineDeps,
  method: DescMethodClientStreaming,
  handler: ClientStreamHandler,
  options: ReadOptions,
): void {
  const serve = serveClientStream(deps, method, handler);
  router.rpc(
    method,
    async (requests, context) => {
      // Holds no message; what the library finds wrong with the headers it throws when it is read.
      for await (const _request of requests) break;
      const raw = context.values.get(requestMessages);
      if (raw === undefined) throw new Error('the messages of the request are not there');
      const outcome = await serve(
        streamTransportOf(context, raw.tooLarge),
        undecodedMessages(method, context, raw),
      );
      setHeaders(context, outcome.call);
      if (raw.tooLarge.aborted)
        throw new ConnectError('a message is larger than this server takes', Code.ResourceExhausted);
      if ('error' in outcome) throw connectError(inTime(context, outcome.error));
      return outcome.response;
    },
    options,
  );
}

async function* undecodedMessages(
  method: DescMethod,
  context: HandlerContext,
  { format, messages }: RawMessages,
): AsyncGenerator<UndecodedMessage> {
  requireWellFormed(context);
  for await (const bytes of messages) yield () => decodeMessage(method, format, bytes);
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
  requireWellFormed(context);
  const body = context.values.get(requestBody);
  if (body === undefined) return decoded;
  return decodeMessage(method, body.format, body.bytes);
}

// Only after the caller has been allowed: an unauthenticated one learns nothing else.
function requireWellFormed(context: HandlerContext): void {
  const description = context.values.get(requestFault);
  if (description !== undefined) throw validationFailed([{ field: '', description }]);
}

function transportOf(context: HandlerContext): Transport {
  return {
    headerValues: (name) => {
      const value = context.requestHeader.get(name);
      return value === null ? [] : [value];
    },
    takesCookies: true,
    timeoutMs: context.timeoutMs(),
    peerAddress: context.values.get(peerAddress),
    onCancelled(listener) {
      if (context.signal.aborted) listener();
      else context.signal.addEventListener('abort', listener, { once: true });
    },
  };
}

// The library reports a deadline that has passed as a caller that has gone.
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
