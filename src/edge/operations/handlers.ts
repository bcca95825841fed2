// What a handler is: one function for each RPC, written once for every protocol.

import type { DescMessage, DescMethod, DescService, Message, MessageShape } from '@bufbuild/protobuf';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import type { Call } from '../pipeline/call.ts';
import type { ClientStreamHandler } from '../pipeline/client-stream-pipeline.ts';
import type { EncodedHandler, Handler } from '../pipeline/operation.ts';
import type { StreamHandler } from '../pipeline/stream-pipeline.ts';

type Question<Kind, Request> = Kind extends 'client_streaming' ? AsyncIterable<Request> : Request;
type Answer<Kind, Response> = Kind extends 'server_streaming'
  ? AsyncIterable<Response>
  : Kind extends 'client_streaming'
    ? Promise<Response>
    : MaybePromise<Response>;
type AnyHandler = (request: never, call: Call) => MaybePromise<Message> | AsyncIterable<Message>;

/** A handler for every method of the service; nothing compiles while one is missing. */
export type ServiceHandlers<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: Service['method'][Name] extends {
    readonly input: infer Input extends DescMessage;
    readonly output: infer Output extends DescMessage;
    readonly methodKind: infer Kind extends 'unary' | 'server_streaming' | 'client_streaming';
  }
    ? (request: Question<Kind, MessageShape<Input>>, call: Call) => Answer<Kind, MessageShape<Output>>
    : never;
};

/** A service with its handlers, their message types erased: adapters pair each with its own method's schemas. */
export type ServedService = {
  readonly service: DescService;
  /** Of unary methods, by local method name. */
  readonly handlers: ReadonlyMap<string, Handler>;
  /** Of server-streaming methods. */
  readonly streamHandlers: ReadonlyMap<string, StreamHandler>;
  /** Of client-streaming methods. */
  readonly clientStreamHandlers: ReadonlyMap<string, ClientStreamHandler>;
  /** For methods that are answered without decoding their requests, where that can be. */
  readonly encodedHandlers: ReadonlyMap<string, EncodedHandler>;
};

/** Pairs a service with its handlers, by local method name. */
export function servedService<Service extends DescService>(
  service: Service,
  handlers: ServiceHandlers<Service>,
  encodedHandlers: Readonly<Record<string, EncodedHandler>> = {},
): ServedService {
  const unary = new Map<string, Handler>();
  const streaming = new Map<string, StreamHandler>();
  const clientStreaming = new Map<string, ClientStreamHandler>();
  for (const [name, handler] of Object.entries<AnyHandler>(handlers)) {
    const kind = service.method[name]?.methodKind;
    if (isUnary(kind, handler)) unary.set(name, handler);
    if (isStreaming(kind, handler)) streaming.set(name, handler);
    if (isClientStreaming(kind, handler)) clientStreaming.set(name, handler);
  }
  return {
    service,
    handlers: unary,
    streamHandlers: streaming,
    clientStreamHandlers: clientStreaming,
    encodedHandlers: new Map(Object.entries(encodedHandlers)),
  };
}

type Kind = DescMethod['methodKind'] | undefined;

// Which it is, its type in ServiceHandlers said before that was erased.
function isUnary(kind: Kind, _handler: AnyHandler): _handler is Handler {
  return kind === 'unary';
}

function isStreaming(kind: Kind, _handler: AnyHandler): _handler is StreamHandler {
  return kind === 'server_streaming';
}

function isClientStreaming(kind: Kind, _handler: AnyHandler): _handler is ClientStreamHandler {
  return kind === 'client_streaming';
}
