// Unary calls of the Connect protocol, on Node's HTTP servers: no library stands between the request and the pipeline.
// https://connectrpc.com/docs/protocol/#unary-rpcs

import type { DescMethod } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { after } from '../../domain/maybe-promise.ts';
import type { HttpExchange } from '../http/exchange.ts';
import { HttpTransport } from '../http/http-transport.ts';
import type { Body } from '../http/request-body.ts';
import { readBody } from '../http/request-body.ts';
import { decodeMessage } from '../messages/decode-message.ts';
import type { Deadline } from '../messages/timeout-header.ts';
import { deadlineIn, NO_DEADLINE, readConnectTimeout } from '../messages/timeout-header.ts';
import { toRpcError } from '../pipeline/error-table.ts';
import { givenUpFor } from '../pipeline/given-up.ts';
import { malformed, tooLarge } from '../pipeline/refusal.ts';
import type { ServeMethod } from '../pipeline/pipeline.ts';
import type { MessageFormat } from './format.ts';
import { unaryFormatOf } from './format.ts';
import { readQuery } from './get-request.ts';
import { UnaryAnswers } from './unary-answer.ts';

/** One unary method, over Connect. */
export class ConnectUnary {
  readonly #method: DescMethod;
  readonly #serve: ServeMethod;
  readonly #maxRequestBytes: number;
  readonly #answers: UnaryAnswers;
  readonly #takesGet: boolean;

  constructor(
    method: DescMethod,
    serve: ServeMethod,
    limits: { readonly maxRequestBytes: number; readonly maxResponseBytes: number },
  ) {
    this.#method = method;
    this.#serve = serve;
    this.#maxRequestBytes = limits.maxRequestBytes;
    this.#answers = new UnaryAnswers(method, limits.maxResponseBytes);
    this.#takesGet = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  }

  /** Answers the request. */
  handle(exchange: HttpExchange): void {
    const { method } = exchange.request;
    if (method === 'POST') this.#post(exchange);
    else if (method === 'GET' && this.#takesGet) this.#get(exchange);
    else exchange.send(405, '', ['allow', this.#takesGet ? 'GET, POST' : 'POST']);
  }

  #post(exchange: HttpExchange): void {
    const format = unaryFormatOf(exchange.header('content-type'));
    if (format === undefined) return exchange.send(415, '', ['accept-post', ACCEPTED]);
    const deadline = deadlineOf(exchange);
    readBody(exchange, this.#maxRequestBytes, (body) => {
      if ('fault' in body) this.#refuseBody(exchange, body);
      else if (isCompressed(exchange)) this.#answers.refuse(exchange, COMPRESSED);
      else this.#run({ exchange, format, deadline }, () => body.bytes);
    });
  }

  #get(exchange: HttpExchange): void {
    const request = readQuery(exchange.target.query ?? '');
    if (request === undefined) return exchange.send(415, '');
    if (request.isCompressed) return this.#answers.refuse(exchange, COMPRESSED);
    if (request.bytes !== undefined && request.bytes.length > this.#maxRequestBytes)
      return this.#answers.refuse(exchange, tooLarge(this.#maxRequestBytes));
    this.#run({ exchange, format: request.format, deadline: deadlineOf(exchange) }, () => {
      if (request.bytes === undefined) throw malformed('the message in the query is not base64url');
      return request.bytes;
    });
  }

  #run({ exchange, format, deadline }: Received, bytes: () => Buffer): void {
    const transport = new HttpTransport(exchange, {
      // What is asked for by GET is the same for everyone.
      takesCookies: exchange.request.method === 'POST',
      timeoutMs: deadline.left(),
    });
    const outcome = this.#serve(transport, () => {
      if (deadline.fault !== undefined) throw malformed(deadline.fault);
      const message = bytes();
      return {
        bytes: format === 'binary' ? message : undefined,
        decode: () => decodeMessage(this.#method, format, message),
      };
    });
    void after(outcome, (known) => this.#answers.send(exchange, format, known));
  }

  #refuseBody(exchange: HttpExchange, { fault }: Extract<Body, { fault: unknown }>): void {
    if (fault === 'gone') return;
    if (fault === 'too-long') return this.#answers.refuse(exchange, tooLarge(this.#maxRequestBytes));
    const status = fault === 'late' ? 408 : 429;
    const error = toRpcError(givenUpFor(fault), exchange.requestId);
    this.#answers.sendError(exchange, { error, limit: undefined, setCookies: [] }, status);
  }
}

/** A request whose message has come, or stands in its query. */
type Received = {
  readonly exchange: HttpExchange;
  readonly format: MessageFormat;
  readonly deadline: Deadline;
};

function deadlineOf(exchange: HttpExchange): Deadline {
  const written = exchange.header('connect-timeout-ms');
  return written === undefined ? NO_DEADLINE : deadlineIn(readConnectTimeout(written));
}

const ACCEPTED = 'application/json, application/proto, application/grpc-web+proto, application/grpc-web+json';

/** UNIMPLEMENTED: requests are small, and compressed secrets can be guessed by their length (CVE-2013-3587 class). */
const COMPRESSED = {
  code: Code.Unimplemented,
  message: 'Messages are taken uncompressed: content-encoding must be identity.',
};

function isCompressed(exchange: HttpExchange): boolean {
  return (exchange.header('content-encoding') ?? 'identity') !== 'identity';
}
