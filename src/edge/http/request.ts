// What our routes need of a request: its headers as they came, where it came from, and its body within bounds.

import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Readable } from 'node:stream';
import type { CallOrigin } from '../../domain/audit/audit-event.ts';
import { plainRequestId, plainUserAgent } from '../../domain/audit/call-origin.ts';
import { DomainError } from '../../domain/errors.ts';
import { GrowingBuffer } from '../transport/growing-buffer.ts';
import { resetSoon } from '../transport/reset-stream.ts';
import { HttpRefusal } from './http-refusal.ts';
import type { HttpResponse } from './response.ts';

export type HttpRequest = IncomingMessage | Http2ServerRequest;

/** From the peer's address and the values of `x-forwarded-for` to the client's address. */
export type ClientAddress = (peerAddress: string, forwardedFor: readonly string[]) => string;

/** Every value of a header, in order; Node's own view drops or joins the second. `name` is lower case. */
export function headerValues(request: HttpRequest, name: string): readonly string[] {
  const { rawHeaders } = request;
  return rawHeaders.filter((_value, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
}

/** Where the request came from, with the caller's `x-request-id` when it is a plain one, else one of ours. */
export function originOf(clientAddress: ClientAddress, request: HttpRequest): CallOrigin {
  const [requestId] = headerValues(request, 'x-request-id');
  const [userAgent] = headerValues(request, 'user-agent');
  return {
    ipAddress: clientAddress(request.socket.remoteAddress ?? '', headerValues(request, 'x-forwarded-for')),
    userAgent: plainUserAgent(userAgent),
    requestId: plainRequestId(requestId) ?? randomUUID(),
  };
}

/**
 * The whole body. What is announced to be too long is not read at all. Errors: HttpRefusal 413 beyond `maxBytes`, 408 when it has not come
 * after `timeoutMs`; CALL_CANCELLED when the caller goes in the middle.
 */
export async function readBody(request: HttpRequest, maxBytes: number, timeoutMs: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLong(maxBytes);
  const { promise: slow, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new HttpRefusal(408, 'The body did not come in time.')), timeoutMs);
  try {
    return await Promise.race([collect(request, maxBytes), slow]);
  } finally {
    clearTimeout(timer);
    request.pause();
  }
}

/**
 * Sends an answer by `send` and gives up what is still to come of the body, with the connection (HTTP/1.1) or with the stream (HTTP/2; RFC 9113,
 * section 8.1).
 */
export function answerAndCut(request: HttpRequest, response: HttpResponse, send: () => void): void {
  if (request.httpVersionMajor < 2) response.setHeader('connection', 'close');
  send();
  if ('stream' in request) resetSoon(request.stream);
}

function collect(body: Readable, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const read = new GrowingBuffer();
    const gone = () => reject(new DomainError('CALL_CANCELLED', 'The caller has gone.'));
    body.on('data', (chunk: Buffer) => {
      if (read.length + chunk.byteLength > maxBytes) reject(tooLong(maxBytes));
      else read.append(chunk);
    });
    body.once('end', () => resolve(read.bytes));
    if (body.destroyed) gone();
    // Stays: an error that nobody listens for ends the process.
    body.on('error', gone);
    body.once('close', gone);
  });
}

function tooLong(maxBytes: number): HttpRefusal {
  return new HttpRefusal(413, `The body is longer than ${maxBytes} bytes.`);
}
