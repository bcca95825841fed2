// The HTTP server: HTTP/1.1, and HTTP/2 beside it when TLS is on.

import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { answerCors } from './cors.ts';
import type { Hsts } from './security-headers.ts';
import { setSecurityHeaders } from './security-headers.ts';

/** Certificate and key as PEM; with `clientCa`, callers must show a certificate signed by it (mTLS). */
export type TlsMaterial = {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | undefined;
};

export type HttpServerOptions = {
  readonly tls: TlsMaterial | undefined;
  readonly hsts: Hsts;
  readonly allowedOrigins: ReadonlySet<string>;
  /** Told of each request from a page of another origin. */
  readonly onRefusedOrigin?: (origin: string) => void;
  readonly maxConcurrentStreams: number;
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
};

const MAX_HEADER_BYTES = 32_768;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const MAX_SESSION_MEMORY_MB = 64;

/** A running HTTP server. */
export type RunningHttpServer = {
  readonly port: number;
  /** Accepts nothing more and lets what is under way end; after `graceMs` the rest is cut. */
  close(graceMs: number): Promise<void>;
};

/** Listens on host and port. Errors: when the address is taken or not ours, or the certificate is unusable. */
export async function startHttpServer(
  options: HttpServerOptions,
  host: string,
  port: number,
): Promise<RunningHttpServer> {
  const { tls, hsts, allowedOrigins, handler } = options;
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    setSecurityHeaders(response, tls === undefined ? 'off' : hsts);
    if (request.httpVersionMajor === 1) response.once('finish', () => discardRest(request));
    if (!answerCors(allowedOrigins, request, response, options.onRefusedOrigin)) handler(request, response);
  };
  if (tls !== undefined) return startSecure(tls, options.maxConcurrentStreams, serve, host, port);
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      // Two authorization headers are seen as two, and refused, rather than the first believed.
      joinDuplicateHeaders: true,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
    serve,
  );
  await listen(server, host, port);
  return {
    port: portOf(server),
    close: (graceMs) => closeWithin(server, graceMs, () => server.closeAllConnections()),
  };
}

// Of a request that was refused before it was read to its end. Else the next one on its connection, which behind a proxy may be somebody else's,
// waits behind it (CWE-444 class). How long the rest may take, the time for a request says.
function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  // As long as somebody listens for this, nothing flows.
  request.removeAllListeners('readable');
  request.resume();
}

async function startSecure(
  tls: TlsMaterial,
  maxConcurrentStreams: number,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
  host: string,
  port: number,
): Promise<RunningHttpServer> {
  const server = createSecureServer({
    allowHTTP1: true,
    cert: tls.cert,
    key: tls.key,
    minVersion: 'TLSv1.2',
    ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
    settings: { maxConcurrentStreams, maxHeaderListSize: MAX_HEADER_BYTES },
  });
  const sessions = new Set<{ close(): void; destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.setTimeout(KEEP_ALIVE_TIMEOUT_MS, () => session.close());
    session.on('close', () => sessions.delete(session));
  });
  server.on('request', serve);
  await listen(server, host, port);
  return {
    port: portOf(server),
    close(graceMs) {
      for (const session of sessions) session.close();
      return closeWithin(server, graceMs, () => {
        for (const session of sessions) session.destroy();
      });
    },
  };
}

function listen(server: HttpServer | Http2SecureServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function portOf(server: HttpServer | Http2SecureServer): number {
  const address: AddressInfo | string | null = server.address();
  return address === null || typeof address === 'string' ? 0 : address.port;
}

async function closeWithin(
  server: HttpServer | Http2SecureServer,
  graceMs: number,
  cut: () => void,
): Promise<void> {
  const timer = setTimeout(cut, graceMs);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  clearTimeout(timer);
}
