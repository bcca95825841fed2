// Stands before every call of the gRPC port: refuses what is no request of gRPC, and passes a request on when its message has arrived whole, unary ones
// to the adapter of ours, others to grpc-js. grpc-js has no bounds of its own for that: it keeps the read buffer of every fragment, for as long as the caller likes.

import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { joinAuthorization } from '../transport/listen.ts';
import { resetSoon } from '../transport/reset-stream.ts';
import type { UnfinishedRequests } from '../transport/unfinished-requests.ts';
import { givenUpFor } from '../pipeline/given-up.ts';
import { malformed, refusalError } from '../pipeline/refusal.ts';
import { answerError, headerText, requestIdIn } from './status.ts';
import type { Refusal } from '../pipeline/refusal.ts';
import type { Intake } from './intake.ts';
import { watchMessages } from './message-watch.ts';
import { handedOver, takeMessage, wholeRequest } from './one-message.ts';
import type { GrpcUnary } from './unary.ts';
import type { Deadline } from '../messages/timeout-header.ts';
import { deadlineIn, NO_DEADLINE, readGrpcTimeout } from '../messages/timeout-header.ts';

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
  /** Unary methods that are served without grpc-js, by path. */
  readonly unary: ReadonlyMap<string, Pick<GrpcUnary, 'handle'>>;
  readonly unfinished: UnfinishedRequests;
};

/** What serves a stream that was let through. */
export type ServeGrpcStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

const ignore = () => undefined;

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
    stream.on('error', ignore);
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
      answerError(stream, refusalError(refusal, requestIdIn(headers)));
    };
    const timeout = timeoutOf(headers);
    if (timeout.fault !== undefined) return refuse(malformed(timeout.fault));
    const path = headers[':path'] ?? '';
    const shape = deps.shapeOf(path);
    if (shape === undefined) return pass();
    const arrival = deps.unfinished.begin(stream.session ?? stream, (reason) => refuse(givenUpFor(reason)));
    const encoding = headerText(headers, 'grpc-encoding') ?? 'identity';
    const intake: Intake = { stream, encoding, arrival, refuse, maxBytes: shape.maxBytes };
    const unary = deps.unary.get(path);
    if (unary !== undefined)
      takeMessage(
        intake,
        wholeRequest(stream, (message) => {
          if (state === 'refused') return;
          state = 'served';
          unary.handle({ stream, headers, message, timeoutMs: timeout.left() });
        }),
      );
    else if (shape.isStream) watchMessages(intake, pass);
    else takeMessage(intake, handedOver(stream, pass));
  };
}

// Only a stream that is closed keeps grpc-js from answering, too: a second answer throws, and nobody catches that.
function endServing(stream: ServerHttp2Stream): void {
  stream.removeAllListeners('data');
  stream.removeAllListeners('end');
  stream.emit('close');
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
function timeoutOf(headers: IncomingHttpHeaders): Deadline {
  const text = headerText(headers, 'grpc-timeout');
  if (text === undefined) return NO_DEADLINE;
  const deadline = deadlineIn(readGrpcTimeout(text));
  if (deadline === NO_DEADLINE) delete headers['grpc-timeout'];
  return deadline;
}
