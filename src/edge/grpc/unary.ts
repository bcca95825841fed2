// Unary calls of gRPC, on streams of Node's HTTP/2 server: no library stands between the message and the pipeline.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

import type { DescMethod } from '@bufbuild/protobuf';
import { toBinary } from '@bufbuild/protobuf';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { after } from '../../domain/maybe-promise.ts';
import { decodeBinary } from '../messages/decode-message.ts';
import { envelope } from '../messages/envelope.ts';
import { limitHeaders } from '../pipeline/limit-headers.ts';
import type { RpcResponse } from '../pipeline/operation.ts';
import type { Outcome, ServeMethod } from '../pipeline/pipeline.ts';
import { refusalError, RESPONSE_TOO_LARGE } from '../pipeline/refusal.ts';
import { answerError, requestIdIn, RESPONSE_HEADERS } from './status.ts';
import { StreamTransport } from './stream-transport.ts';

/** A request whose message has arrived whole. */
export type GrpcRequest = {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly message: Buffer;
  /** Milliseconds until the caller's deadline; undefined without one. */
  readonly timeoutMs: number | undefined;
};

/** One unary method, over gRPC. */
export class GrpcUnary {
  readonly #method: DescMethod;
  readonly #serve: ServeMethod;
  readonly #maxResponseBytes: number;

  constructor(method: DescMethod, serve: ServeMethod, maxResponseBytes: number) {
    this.#method = method;
    this.#serve = serve;
    this.#maxResponseBytes = maxResponseBytes;
  }

  /** Answers the request. */
  handle(request: GrpcRequest): void {
    const transport = new StreamTransport(request);
    const bytes = request.message;
    const outcome = this.#serve(transport, () => ({
      bytes,
      decode: () => decodeBinary(this.#method, bytes),
    }));
    void after(outcome, (known) => {
      transport.isAnswered = true;
      this.#answer(request, known);
    });
  }

  #answer({ stream, headers }: GrpcRequest, outcome: Outcome<RpcResponse>): void {
    const { limit } = outcome.call;
    if ('error' in outcome) return answerError(stream, outcome.error, limit);
    if (stream.destroyed || stream.closed) return;
    const { response } = outcome;
    const framed = envelope(
      response instanceof Uint8Array ? response : toBinary(this.#method.output, response),
    );
    if (framed.length > this.#maxResponseBytes)
      return answerError(stream, refusalError(RESPONSE_TOO_LARGE, requestIdIn(headers)));
    const head =
      limit === undefined
        ? RESPONSE_HEADERS
        : { ...RESPONSE_HEADERS, ...Object.fromEntries(limitHeaders(limit)) };
    stream.respond(head, WAIT_FOR_TRAILERS);
    stream.once('wantTrailers', sendOk);
    stream.end(framed);
  }
}

const WAIT_FOR_TRAILERS = { waitForTrailers: true };
const OK_TRAILERS = { 'grpc-status': '0' };

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK_TRAILERS);
}
