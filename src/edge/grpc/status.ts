// What an error says on the wire of gRPC, and the answer that holds nothing else.

import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Metadata } from '@grpc/grpc-js';
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { StatusSchema } from '../../../gen/google/rpc/status_pb.ts';
import { plainRequestId } from '../../domain/audit/call-origin.ts';
import type { LimitState } from '../../domain/limits/rate-limiter.ts';
import { resetSoon } from '../transport/reset-stream.ts';
import type { RpcError } from '../pipeline/error-table.ts';
import { limitHeaders, retryAfter } from '../pipeline/limit-headers.ts';

/** The status with its details, the request id and, where the call was counted, what is left of the limit. */
export function statusOf(error: RpcError, limit: LimitState | undefined) {
  const status = create(StatusSchema, {
    code: error.code,
    message: error.message,
    details: error.details.map(({ schema, value }) => anyPack(schema, value)),
  });
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, status)));
  metadata.set('x-request-id', error.requestId);
  for (const seconds of retryAfter(error)) metadata.set('retry-after', seconds);
  if (limit !== undefined) withLimit(metadata, limit);
  // Connect's codes are gRPC's, number for number.
  const code: number = error.code;
  return { code, details: error.message, metadata };
}

/** The metadata with the headers of a limit. */
export function withLimit(metadata: Metadata, limit: LimitState): Metadata {
  for (const [name, value] of limitHeaders(limit)) metadata.set(name, value);
  return metadata;
}

/**
 * Answers with an error: alone, or, where an answer has begun and not ended, in its trailers; and gives up what is still to come of the request
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 */
export function answerError(stream: ServerHttp2Stream, error: RpcError, limit?: LimitState): void {
  if (stream.destroyed || stream.closed) return;
  const { code, details, metadata } = statusOf(error, limit);
  const status = {
    'grpc-status': code,
    'grpc-message': encodeURI(details),
    ...metadata.toHttp2Headers(),
  };
  if (!stream.headersSent) stream.respond({ ...RESPONSE_HEADERS, ...status }, { endStream: true });
  else if (!stream.writableEnded) stream.once('wantTrailers', () => stream.sendTrailers(status)).end();
  if (!stream.readableEnded) resetSoon(stream);
}

/** Begins every answer, also one that is trailers alone. */
export const RESPONSE_HEADERS = {
  [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_OK,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc+proto',
  // Of requests; responses are not compressed.
  'grpc-accept-encoding': 'identity,deflate,gzip',
};

/** The request id of the headers when it is a plain one, else one of ours. */
export function requestIdIn(headers: IncomingHttpHeaders): string {
  return plainRequestId(headerText(headers, 'x-request-id')) ?? randomUUID();
}

/** A header as one text; undefined when there is none. */
export function headerText(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
