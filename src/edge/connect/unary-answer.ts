// Writes the answers of unary calls over Connect: a message, or an error in JSON. https://connectrpc.com/docs/protocol/#unary-response

import type { DescMethod } from '@bufbuild/protobuf';
import { toBinary, toJson } from '@bufbuild/protobuf';

import { ConnectError } from '@connectrpc/connect';
import { codeToHttpStatus, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';

import type { LimitState } from '../../domain/limits/rate-limiter.ts';
import type { HttpExchange } from '../http/exchange.ts';
import { giveUpBody } from '../http/request-body.ts';
import { NO_STORE } from '../http/response.ts';
import type { Call } from '../pipeline/call.ts';
import type { RpcError } from '../pipeline/error-table.ts';
import { limitHeaders, retryAfter } from '../pipeline/limit-headers.ts';
import { messageOf } from '../messages/decode-message.ts';
import type { RpcResponse } from '../pipeline/operation.ts';
import type { BareRefusal } from '../pipeline/refusal.ts';
import { refusalError, RESPONSE_TOO_LARGE } from '../pipeline/refusal.ts';
import type { Outcome } from '../pipeline/pipeline.ts';
import type { MessageFormat } from './format.ts';

type Told = {
  readonly error: RpcError;
  readonly limit: LimitState | undefined;
  readonly setCookies: readonly string[];
};

const CONTENT_TYPES: Readonly<Record<MessageFormat, string>> = {
  binary: 'application/proto',
  json: 'application/json',
};

/** The answers of one method. */
export class UnaryAnswers {
  readonly #method: DescMethod;
  readonly #maxBytes: number;

  constructor(method: DescMethod, maxBytes: number) {
    this.#method = method;
    this.#maxBytes = maxBytes;
  }

  /** Sends what the call came to. */
  send(exchange: HttpExchange, format: MessageFormat, outcome: Outcome<RpcResponse>): void {
    if ('error' in outcome) return this.sendError(exchange, { ...noted(outcome.call), error: outcome.error });
    const body = this.#encoded(format, outcome.response);
    if (Buffer.byteLength(body) > this.#maxBytes) return this.refuse(exchange, RESPONSE_TOO_LARGE);
    exchange.send(200, body, [
      'content-type',
      CONTENT_TYPES[format],
      ...NO_STORE,
      ...callHeaders(outcome.call),
    ]);
  }

  /** Sends an error; what is still to come of the request is given up. */
  sendError(
    exchange: HttpExchange,
    { error, limit, setCookies }: Told,
    status = codeToHttpStatus(error.code),
  ): void {
    const details = error.details.map(({ schema, value }) => ({ desc: schema, value }));
    const body = errorToJsonBytes(new ConnectError(error.message, error.code, undefined, details), undefined);
    const { isWhole } = exchange;
    if (!isWhole) exchange.closeAfterAnswer();
    exchange.send(status, body, [
      'content-type',
      CONTENT_TYPES.json,
      ...NO_STORE,
      ...callHeaders({ requestId: error.requestId, limit, setCookies }),
      ...retryAfter(error).flatMap((seconds) => ['retry-after', seconds]),
    ]);
    if (!isWhole) giveUpBody(exchange);
  }

  /** Refuses a request before it is a call. */
  refuse(exchange: HttpExchange, refusal: BareRefusal): void {
    const error = refusalError(refusal, exchange.requestId);
    this.sendError(exchange, { error, limit: undefined, setCookies: [] });
  }

  // JSON stays a text: Node writes it together with the head, and bytes by themselves.
  #encoded(format: MessageFormat, response: RpcResponse): Uint8Array | string {
    const { output } = this.#method;
    if (format === 'json') return JSON.stringify(toJson(output, messageOf(this.#method, response)));
    return response instanceof Uint8Array ? response : toBinary(output, response);
  }
}

const noted = ({ limit, setCookies }: Call): Omit<Told, 'error'> => ({ limit, setCookies });

function callHeaders({
  requestId,
  limit,
  setCookies,
}: Omit<Told, 'error'> & Pick<Call, 'requestId'>): readonly string[] {
  const headers = ['x-request-id', requestId];
  if (limit !== undefined) headers.push(...limitHeaders(limit).flat());
  // Each cookie has a header of its own (RFC 6265, section 3).
  for (const cookie of setCookies) headers.push('set-cookie', cookie);
  return headers;
}
