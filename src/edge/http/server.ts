// The HTTP server: HTTP/1.1, and HTTP/2 beside it when TLS is on.

import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { ConnectionLimits } from '../transport/connections.ts';
import { Connections } from '../transport/connections.ts';
import type { TlsMaterial } from '../transport/listen.ts';
import {
  closeWithin,
  HEADERS_TIMEOUT_MS,
  http2Options,
  joinAuthorization,
  listen,
  MAX_HEADER_BYTES,
  tlsOptions,
} from '../transport/listen.ts';
import type { UnfinishedRequests } from '../transport/unfinished-requests.ts';
import { answerCors } from './cors.ts';
import { HttpExchange } from './exchange.ts';
import type { Hsts } from './security-headers.ts';
import { securityHeaders } from './security-headers.ts';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** What answers requests. It watches over their bodies itself. */
export type HttpHandler = (exchange: HttpExchange) => void;

export type HttpServerOptions = {
  readonly tls: TlsMaterial | undefined;
  readonly hsts: Hsts;
  readonly allowedOrigins: ReadonlySet<string>;
  /** Told of each request from a page of another origin. */
  readonly onRefusedOrigin?: (origin: string) => void;
  readonly maxConcurrentStreams: number;
  readonly connections: ConnectionLimits;
  readonly onConnectionRefused: (address: string) => void;
  readonly unfinished: UnfinishedRequests;
  readonly handler: HttpHandler;
};

const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const TIMEOUTS_CHECK_MS = 1_000;

// The same with TLS and without.
const HTTP1: ServerOptions = {
  maxHeaderSize: MAX_HEADER_BYTES,
  // Two authorization headers are seen as two, and refused, rather than the first believed.
  joinDuplicateHeaders: true,
  headersTimeout: HEADERS_TIMEOUT_MS,
  // A body has its deadline by UnfinishedRequests: a stream of messages may take longer than one.
  requestTimeout: 0,
  keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  connectionsCheckingInterval: TIMEOUTS_CHECK_MS,
};

/** A running HTTP server. */
export type RunningHttpServer = {
  readonly port: number;
  /** Lets every answer from now on be the last of its HTTP/1.1 connection; new connections are still accepted. */
  drain(): void;
  /**
   * Accepts nothing more and lets what is under way end: HTTP/1.1 connections are told by `connection: close`, HTTP/2 ones by GOAWAY. After
   * `graceMs` the rest is cut.
   */
  close(graceMs: number): Promise<void>;
};

/** Listens on `address` (host:port). Errors: when the address is taken or not ours, or the certificate is unusable. */
export async function startHttpServer(
  options: HttpServerOptions,
  address: string,
): Promise<RunningHttpServer> {
  const responses = new OpenResponses();
  const serve = listenerOf(options, responses);
  const server =
    options.tls === undefined
      ? createServer(HTTP1, serve)
      : secureServer(options.tls, options.maxConcurrentStreams, serve);
  const connections = new Connections(options.connections, options.onConnectionRefused);
  connections.guard(server);
  const port = await listen(server, address);
  return {
    port,
    drain: () => responses.drain(),
    close(graceMs) {
      responses.drain();
      return closeWithin(server, graceMs, () => connections.destroy());
    },
  };
}

function secureServer(tls: TlsMaterial, maxConcurrentStreams: number, serve: Listener): Server {
  const server = createSecureServer({
    ...tlsOptions(tls),
    ...http2Options(maxConcurrentStreams),
    allowHTTP1: true,
    http1Options: HTTP1,
  });
  server.on('session', (session) => {
    session.setTimeout(KEEP_ALIVE_TIMEOUT_MS, () => session.close());
  });
  server.on('request', serve);
  return server;
}

function listenerOf(options: HttpServerOptions, responses: OpenResponses): Listener {
  const { tls, hsts, allowedOrigins, onRefusedOrigin, unfinished, handler } = options;
  const headers = [...securityHeaders(tls === undefined ? 'off' : hsts), 'vary', 'origin'];
  return (request, response) => {
    if (!responses.enter(request, response)) return;
    if (request.httpVersionMajor > 1) joinAuthorization(request.headers, request.rawHeaders);
    const exchange = new HttpExchange(request, response, unfinished, headers);
    if (!answerCors(allowedOrigins, exchange, onRefusedOrigin)) handler(exchange);
  };
}

/** The answers that have not left yet, and whether the server is about to stop. */
class OpenResponses {
  readonly #open = new Set<ServerResponse>();
  readonly #closing = new WeakSet<Socket>();
  #isDraining = false;

  /** Notes a request. False when an earlier answer has closed its connection: what was sent on it all the same is not served. */
  enter(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.httpVersionMajor > 1) return true;
    if (this.#closing.has(request.socket)) return false;
    this.#open.add(response);
    response.once('close', () => this.#open.delete(response));
    if (this.#isDraining) this.#closeAfter(response);
    return true;
  }

  /** Lets every answer from now on be the last of its connection. */
  drain(): void {
    this.#isDraining = true;
    for (const response of this.#open) this.#closeAfter(response);
  }

  #closeAfter(response: ServerResponse): void {
    if (response.headersSent) return;
    response.setHeader('connection', 'close');
    this.#closing.add(response.req.socket);
  }
}
