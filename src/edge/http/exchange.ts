// One request over HTTP and its answer: the headers that every answer has are collected, so that an answer leaves in one write.

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { plainRequestId } from '../../domain/audit/call-origin.ts';
import type { UnfinishedRequests } from '../transport/unfinished-requests.ts';

export type HttpRequest = IncomingMessage | Http2ServerRequest;

/** Pairs of name and value, one behind the other. Names are lower case. */
export type HeaderList = string[];

/** What CORS says to one origin alone. */
const ORIGIN_HEADERS: ReadonlySet<string> = new Set([
  'access-control-allow-origin',
  'access-control-allow-credentials',
]);

/** The statuses that have no body (RFC 9110, section 6.4.1). */
const NO_CONTENT = 204;

/** Whether the request has a body, or may have one over HTTP/2. */
export function hasBody(request: HttpRequest): boolean {
  if (request.httpVersionMajor > 1) return !request.complete;
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding !== undefined || (length !== undefined && length !== '0');
}

/** A request, and what is known of its answer. */
export class HttpExchange {
  readonly request: HttpRequest;
  readonly response: ServerResponse;
  /** Where a body is counted until it has arrived. */
  readonly unfinished: UnfinishedRequests;
  readonly #headers: HeaderList;
  #requestId: string | undefined;
  #isAnswered = false;

  /** `headers` is what every answer of the server has. */
  constructor(
    request: HttpRequest,
    response: ServerResponse,
    unfinished: UnfinishedRequests,
    headers: readonly string[],
  ) {
    this.request = request;
    this.response = response;
    this.unfinished = unfinished;
    this.#headers = [...headers];
  }

  /** The caller's `x-request-id` when it is a plain one, else one of ours. */
  get requestId(): string {
    this.#requestId ??= plainRequestId(this.header('x-request-id')) ?? randomUUID();
    return this.#requestId;
  }

  /** Calls `listener` when the caller goes before it has been answered; at once when it has gone already. */
  onGone(listener: () => void): void {
    const { request, response } = this;
    if ('stream' in request ? request.stream.destroyed : response.destroyed) listener();
    else
      response.once('close', () => {
        if (!this.#isAnswered) listener();
      });
  }

  /** A header of the request; what stands more than once is joined by commas. `name` is lower case. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** The path of the request, and its query without the question mark; undefined without one. */
  get target(): { readonly path: string; readonly query: string | undefined } {
    // A proxy's form of the target has scheme and authority before the path (RFC 9112, section 3.2.2).
    const url = (this.request.url ?? '').replace(/^https?:\/\/[^/?#]*/i, '');
    const mark = url.indexOf('?');
    return mark < 0
      ? { path: url, query: undefined }
      : { path: url.slice(0, mark), query: url.slice(mark + 1) };
  }

  /** Whether nothing more of the request is to come. */
  get isWhole(): boolean {
    return this.request.complete || !hasBody(this.request);
  }

  /** Adds a header to the answer. */
  addHeader(name: string, value: string): void {
    this.#headers.push(name, value);
  }

  /** Lets pages of any origin read the answer, without credentials. */
  makePublic(): void {
    const kept: HeaderList = [];
    for (let at = 0; at < this.#headers.length; at += 2) {
      const [name = '', value = ''] = this.#headers.slice(at, at + 2);
      if (!ORIGIN_HEADERS.has(name)) kept.push(name, value);
    }
    this.#headers.splice(0, this.#headers.length, ...kept, 'access-control-allow-origin', '*');
  }

  /** Answers, with these headers too and the length of the body; the request id stands in it unless a header names one already. */
  send(status: number, body: Uint8Array | string, headers: readonly string[] = []): void {
    const { response } = this;
    if (response.headersSent) return;
    this.#isAnswered = true;
    const all = this.#headers;
    for (const part of headers) all.push(part);
    if (!headers.includes('x-request-id')) all.push('x-request-id', this.requestId);
    if (status !== NO_CONTENT) all.push('content-length', String(Buffer.byteLength(body)));
    response.writeHead(status, all);
    response.end(body);
  }

  /** Lets the answer be the last of its connection, where the connection is HTTP/1.1. */
  closeAfterAnswer(): void {
    if (this.request.httpVersionMajor < 2) this.addHeader('connection', 'close');
  }

  /** Sets the headers so far on the response, for a library that writes the answer itself. */
  applyHeaders(): void {
    const headers = this.#headers;
    for (let at = 0; at < headers.length; at += 2)
      this.response.setHeader(headers[at] ?? '', headers[at + 1] ?? '');
    this.response.setHeader('x-request-id', this.requestId);
  }
}
