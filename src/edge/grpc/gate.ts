// Stands before grpc-js on each stream of the gRPC port: refuses what is no request of gRPC, and lets a request through when its message has arrived
// whole. grpc-js has no bounds of its own for that: it keeps the read buffer of every fragment, for as long as the caller likes.

import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { plainRequestId } from '../../domain/audit/call-origin.ts';
import { DomainError, validationFailed } from '../../domain/errors.ts';
import { joinAuthorization } from '../transport/listen.ts';
import { resetSoon } from '../transport/reset-stream.ts';
import type { UnfinishedRequests } from '../transport/unfinished-requests.ts';
import type { RpcError } from '../pipeline/error-table.ts';
import { toRpcError } from '../pipeline/error-table.ts';
import { givenUpFor } from '../pipeline/given-up.ts';
import { answerError } from './status.ts';
import type { Intake, Refusal } from './intake.ts';
import { watchMessages } from './message-watch.ts';
import { takeMessage } from './one-message.ts';
import { MAX_TIMEOUT_MS, readGrpcTimeout } from '../messages/timeout-header.ts';

/** What is known of a method before its request is read. */
export type RequestShape = {
  /** Whether the caller sends a stream of messages. */
  readonly isStream: boolean;
  /** The largest message. */
  readonly maxBytes: number;
};

export type GateDeps = {
  /** By path; undefined for a method that is not served. */
  readonly shapeOf: (path: string) => RequestShape | undefined;
  readonly unfinished: UnfinishedRequests;
};

/** What serves a stream that was let through. */
export type ServeGrpcStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

const CONTENT_TYPE = /^application\/grpc(?:\+proto)?\s*(?:;.*)?$/i;

/** Puts the gate before `serve`. */
export function gateOf(deps: GateDeps, serve: ServeGrpcStream) {
  return (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    _flags: number,
    rawHeaders: readonly string[],
  ): void => {
    // Whatever happens to a stream comes as its close, too; an error that nobody listens for ends the process.
    stream.on('error', () => undefined);
    if (!isGrpcRequest(stream, headers)) return;
    joinAuthorization(headers, rawHeaders);
    let state: 'arriving' | 'served' | 'refused' = 'arriving';
    const pass = () => {
      // What is given up may arrive all the same.
      if (state === 'refused') return;
      state = 'served';
      serve(stream, headers);
    };
    const refuse = (refusal: Refusal) => {
      if (state === 'served') endServing(stream);
      state = 'refused';
      answerError(stream, rpcErrorOf(refusal, headers));
    };
    const fault = timeoutFault(headers);
    if (fault !== undefined) return refuse(validationFailed([{ field: '', description: fault }]));
    const shape = deps.shapeOf(headers[':path'] ?? '');
    if (shape === undefined) return pass();
    const arrival = deps.unfinished.begin(stream.session ?? stream, (reason) => refuse(givenUpFor(reason)));
    const encoding = textOf(headers, 'grpc-encoding') ?? 'identity';
    const intake: Intake = { stream, encoding, arrival, refuse, maxBytes: shape.maxBytes };
    if (shape.isStream) watchMessages(intake, pass);
    else takeMessage(intake, pass);
  };
}

// Only a stream that is closed keeps grpc-js from answering, too: a second answer throws, and nobody catches that.
function endServing(stream: ServerHttp2Stream): void {
  stream.removeAllListeners('data');
  stream.removeAllListeners('end');
  stream.emit('close');
}

function rpcErrorOf(refusal: Refusal, headers: IncomingHttpHeaders): RpcError {
  const requestId = plainRequestId(textOf(headers, 'x-request-id')) ?? randomUUID();
  if (refusal instanceof DomainError) return toRpcError(refusal, requestId);
  return { ...refusal, reason: 'VALIDATION_FAILED', details: [], requestId, retryAfterMs: undefined };
}

// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: POST, and 415 for a content type of something else.
function isGrpcRequest(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
  const isPost = headers[':method'] === 'POST';
  if (isPost && CONTENT_TYPE.test(headers['content-type'] ?? '')) return true;
  const answer = isPost
    ? { ':status': constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE }
    : { ':status': constants.HTTP_STATUS_METHOD_NOT_ALLOWED, allow: 'POST' };
  stream.respond(answer, { endStream: true });
  resetSoon(stream);
  return false;
}

// grpc-js answers INTERNAL to what it cannot read, and its timer overflows after 24 days: a longer deadline is none.
function timeoutFault(headers: IncomingHttpHeaders): string | undefined {
  const text = textOf(headers, 'grpc-timeout');
  if (text === undefined) return undefined;
  const timeout = readGrpcTimeout(text);
  if ('fault' in timeout) return timeout.fault;
  if (timeout.timeoutMs > MAX_TIMEOUT_MS) delete headers['grpc-timeout'];
  return undefined;
}

function textOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
