// gRPC over HTTP/2: unary calls by an adapter of ours, streams, health and reflection by grpc-js.

import { toBinary } from '@bufbuild/protobuf';
import type { DescMethod, Message } from '@bufbuild/protobuf';
import type {
  handleClientStreamingCall,
  handleServerStreamingCall,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { logVerbosity, Metadata, Server, setLogVerbosity } from '@grpc/grpc-js';
import type { Transport } from '../pipeline/call.ts';
import type { ServeClientStream, UndecodedMessage } from '../pipeline/client-stream-pipeline.ts';
import { serveClientStream } from '../pipeline/client-stream-pipeline.ts';
import { decodeBinary } from '../messages/decode-message.ts';
import { definitionOf } from './definition.ts';
import type { ServedService } from '../operations/handlers.ts';
import { peerAddressOf } from './peer-address.ts';
import { statusOf, withLimit } from './status.ts';
import type { StreamPipelineDeps } from '../pipeline/stream-life.ts';
import type { ServeStream } from '../pipeline/stream-pipeline.ts';
import { serveStream } from '../pipeline/stream-pipeline.ts';

/** What bounds a connection and its calls, beside what the gate does. */
export type GrpcLimits = {
  readonly maxMessageBytes: number;
};

const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** A server with every streaming method of `services` behind the pipeline; not yet listening. */
export function createGrpcServer(
  deps: StreamPipelineDeps,
  services: readonly ServedService[],
  limits: GrpcLimits,
): Server {
  // The library prints illegal headers of a call to standard error, values and all: tokens too, and as often as a stranger likes.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    'grpc.max_receive_message_length': limits.maxMessageBytes,
    'grpc.max_send_message_length': limits.maxMessageBytes,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.enable_channelz': 0,
  });
  for (const served of services) {
    const methods = served.service.methods.filter(({ methodKind }) => methodKind !== 'unary');
    if (methods.length > 0) server.addService(definitionOf(methods), implementationOf(deps, served, methods));
  }
  return server;
}

type GrpcCall = Pick<ServerUnaryCall<Buffer, Buffer>, 'metadata' | 'cancelled' | 'getPeer'> & {
  on(event: 'cancelled', listener: () => void): unknown;
};

function implementationOf(
  deps: StreamPipelineDeps,
  served: ServedService,
  methods: readonly DescMethod[],
): UntypedServiceImplementation {
  return Object.fromEntries(methods.map((method) => [method.name, methodOf(deps, served, method)] as const));
}

type Implementation = handleServerStreamingCall<Buffer, Buffer> | handleClientStreamingCall<Buffer, Buffer>;

function methodOf(deps: StreamPipelineDeps, served: ServedService, method: DescMethod): Implementation {
  const name = method.localName;
  const streamHandler = served.streamHandlers.get(name);
  if (streamHandler !== undefined) return streaming(method, serveStream(deps, method, streamHandler));
  const clientStreamHandler = served.clientStreamHandlers.get(name);
  if (clientStreamHandler !== undefined)
    return clientStreaming(method, serveClientStream(deps, method, clientStreamHandler));
  throw new Error(`${method.parent.typeName}/${method.name} has no handler`);
}

function clientStreaming(
  method: DescMethod,
  serve: ServeClientStream,
): handleClientStreamingCall<Buffer, Buffer> {
  return (call, respond) => {
    const served = serve(new GrpcTransport(call), undecodedMessages(method, call));
    void served.then((outcome) => {
      const { limit } = outcome.call;
      if ('error' in outcome) return respond(statusOf(outcome.error, limit));
      if (limit !== undefined) call.sendMetadata(withLimit(new Metadata(), limit));
      respond(null, Buffer.from(toBinary(method.output, outcome.response)));
    });
  };
}

// grpc-js reads ahead as far as Node's streams of objects do, sixteen messages, and stops reading from the connection then.
async function* undecodedMessages(
  method: DescMethod,
  call: ServerReadableStream<Buffer, Buffer>,
): AsyncGenerator<UndecodedMessage> {
  const messages: AsyncIterable<Buffer> = call;
  for await (const bytes of messages) yield () => decodeBinary(method, bytes);
}

function streaming(method: DescMethod, serve: ServeStream): handleServerStreamingCall<Buffer, Buffer> {
  const serialize = serializer(method);
  return (call) => void send(method, serialize, serve, call);
}

// The next message is asked for when the one before has left: what is unread waits in the handler, where it is bounded.
async function send(
  method: DescMethod,
  serialize: (message: Message) => Buffer,
  serve: ServeStream,
  call: ServerWritableStream<Buffer, Buffer>,
): Promise<void> {
  const stream = serve(new GrpcTransport(call), () => decodeBinary(method, call.request));
  let step = await stream.next();
  const { limit } = stream.call;
  if ('message' in step && limit !== undefined) call.sendMetadata(withLimit(new Metadata(), limit));
  for (; 'message' in step; step = await stream.next()) await written(call, serialize(step.message));
  if (step.end === undefined) call.end();
  else call.emit('error', statusOf(step.end, limit));
}

/** Resolves when the bytes have been handed over, or can never be. */
function written(call: ServerWritableStream<Buffer, Buffer>, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off('close', done);
      resolve();
    };
    call.once('close', done);
    call.write(bytes, done);
  });
}

class GrpcTransport implements Transport {
  // No browser speaks gRPC.
  readonly takesCookies = false;
  // grpc-js answers for a deadline that has passed.
  readonly timeoutMs = undefined;
  readonly #call: GrpcCall;

  constructor(call: GrpcCall) {
    this.#call = call;
  }

  get peerAddress(): string {
    return peerAddressOf(this.#call);
  }

  headerValues(name: string): readonly string[] {
    return this.#call.metadata.get(name).map(String);
  }

  onCancelled(listener: () => void): void {
    if (this.#call.cancelled) listener();
    else this.#call.on('cancelled', listener);
  }
}

// A handler that answers with the very same message again, like a page of a snapshot for many watchers, has its bytes cached.
function serializer(method: DescMethod): (response: Message) => Buffer {
  const serialized = new WeakMap<Message, Buffer>();
  return (response) => {
    const known = serialized.get(response);
    if (known !== undefined) return known;
    const bytes = Buffer.from(toBinary(method.output, response));
    serialized.set(response, bytes);
    return bytes;
  };
}
