// The grpc-js adapter: gRPC over HTTP/2, with health and reflection.

import { toBinary } from '@bufbuild/protobuf';
import type { DescMethod } from '@bufbuild/protobuf';
import type {
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  sendUnaryData,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { logVerbosity, Metadata, Server, setLogVerbosity } from '@grpc/grpc-js';
import { after } from '../../domain/maybe-promise.ts';
import type { Transport } from '../pipeline/call.ts';
import type { ServeClientStream, UndecodedMessage } from '../pipeline/client-stream-pipeline.ts';
import { serveClientStream } from '../pipeline/client-stream-pipeline.ts';
import { decodeBinary } from '../messages/decode-message.ts';
import { definitionOf } from './definition.ts';
import type { ServedService } from '../operations/handlers.ts';
import { peerAddressOf } from './peer-address.ts';
import { statusOf, withLimit } from './status.ts';
import type { Outcome, ServeMethod } from '../pipeline/pipeline.ts';
import { serveMethod } from '../pipeline/pipeline.ts';
import type { StreamPipelineDeps } from '../pipeline/stream-life.ts';
import type { ServeStream } from '../pipeline/stream-pipeline.ts';
import { serveStream } from '../pipeline/stream-pipeline.ts';

/** What bounds a connection and its calls, beside what the gate does. */
export type GrpcLimits = {
  readonly maxMessageBytes: number;
  readonly maxConnectionIdleMs: number;
};

const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** A server with every method of `services` behind the pipeline; not yet listening. */
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
    'grpc.max_connection_idle_ms': limits.maxConnectionIdleMs,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.enable_channelz': 0,
  });
  for (const served of services)
    server.addService(definitionOf(served.service), implementationOf(deps, served));
  return server;
}

type GrpcCall = Pick<ServerUnaryCall<Buffer, Buffer>, 'metadata' | 'cancelled' | 'getPeer'> & {
  /** Only where the request is one message. */
  readonly request?: Buffer;
  on(event: 'cancelled', listener: () => void): unknown;
};

function implementationOf(deps: StreamPipelineDeps, served: ServedService): UntypedServiceImplementation {
  return Object.fromEntries(
    served.service.methods.map((method) => [method.name, methodOf(deps, served, method)] as const),
  );
}

type Implementation =
  | handleUnaryCall<Buffer, Buffer>
  | handleServerStreamingCall<Buffer, Buffer>
  | handleClientStreamingCall<Buffer, Buffer>;

function methodOf(deps: StreamPipelineDeps, served: ServedService, method: DescMethod): Implementation {
  const name = method.localName;
  const handler = served.handlers.get(name);
  if (handler !== undefined)
    return unary(method, serveMethod(deps, method, handler, served.encodedHandlers.get(name)));
  const streamHandler = served.streamHandlers.get(name);
  if (streamHandler !== undefined) return streaming(method, serveStream(deps, method, streamHandler));
  const clientStreamHandler = served.clientStreamHandlers.get(name);
  if (clientStreamHandler !== undefined)
    return clientStreaming(method, serveClientStream(deps, method, clientStreamHandler));
  throw new Error(`${method.parent.typeName}/${method.name} has no handler`);
}

function unary(method: DescMethod, serve: ServeMethod): handleUnaryCall<Buffer, Buffer> {
  const answer = answering(method);
  return (call, respond) => {
    // Decoded when the caller has been authenticated.
    const outcome = serve(new GrpcTransport(call), () => decodeBinary(method, call.request));
    void after(outcome, (known) => answer(known, call, respond));
  };
}

function answering(method: DescMethod) {
  return (
    outcome: Outcome,
    call: Pick<ServerUnaryCall<Buffer, Buffer>, 'sendMetadata'>,
    respond: sendUnaryData<Buffer>,
  ) => {
    const { limit } = outcome.call;
    if ('error' in outcome) return respond(statusOf(outcome.error, limit));
    if (limit !== undefined) call.sendMetadata(withLimit(new Metadata(), limit));
    respond(null, outcome.encoded ?? Buffer.from(toBinary(method.output, outcome.response)));
  };
}

function clientStreaming(
  method: DescMethod,
  serve: ServeClientStream,
): handleClientStreamingCall<Buffer, Buffer> {
  const answer = answering(method);
  return (call, respond) => {
    const served = serve(new GrpcTransport(call), undecodedMessages(method, call));
    void served.then((outcome) => answer(outcome, call, respond));
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
  return (call) => void send(method, serve, call);
}

// The next message is asked for when the one before has left: what is unread waits in the handler, where it is bounded.
async function send(
  method: DescMethod,
  serve: ServeStream,
  call: ServerWritableStream<Buffer, Buffer>,
): Promise<void> {
  const stream = serve(new GrpcTransport(call), () => decodeBinary(method, call.request));
  let step = await stream.next();
  const { limit } = stream.call;
  if ('message' in step && limit !== undefined) call.sendMetadata(withLimit(new Metadata(), limit));
  for (; 'message' in step; step = await stream.next())
    await written(call, Buffer.from(toBinary(method.output, step.message)));
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

  get requestBytes(): Buffer | undefined {
    return this.#call.request;
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
