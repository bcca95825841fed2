// What both ports have in common: where they listen, TLS, and what bounds an HTTP/2 connection.

import type { ServerOptions } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import type { TlsOptions } from 'node:tls';

/** Certificate and key as PEM; with `clientCa`, callers must show a certificate signed by it (mTLS). */
export type TlsMaterial = {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | undefined;
};

/** The most that the headers of one request may take, in bytes. */
export const MAX_HEADER_BYTES = 32_768;
/** How long the headers of a request, or a TLS handshake, may take, in milliseconds. */
export const HEADERS_TIMEOUT_MS = 10_000;

// Bounds what one connection's frames and header blocks may hold (CVE-2019-9511 and its kin). In megabytes.
const MAX_SESSION_MEMORY_MB = 32;

/** How every port does TLS. */
export function tlsOptions({ cert, key, clientCa }: TlsMaterial): TlsOptions {
  const mutual = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  return { cert, key, minVersion: 'TLSv1.2', handshakeTimeout: HEADERS_TIMEOUT_MS, ...mutual };
}

/** What bounds an HTTP/2 connection on every port. Node's own bounds on resets, settings and pings (CVE-2023-44487 and its kin) stay as they are. */
export function http2Options(maxConcurrentStreams: number): ServerOptions {
  return {
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
    settings: { maxConcurrentStreams, maxHeaderListSize: MAX_HEADER_BYTES, enablePush: false },
  };
}

/** Listens on `address` (host:port); resolves to the port. Errors: when the address is taken or not ours. */
export async function listen(server: Server, address: string): Promise<number> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(address.slice(colon + 1)), host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound: AddressInfo | string | null = server.address();
  return bound === null || typeof bound === 'string' ? 0 : bound.port;
}

/** Stops accepting and resolves when the last connection has ended; those that are left after `graceMs` are cut by `cut`. */
export async function closeWithin(server: Server, graceMs: number, cut: () => void): Promise<void> {
  const timer = setTimeout(cut, graceMs);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  clearTimeout(timer);
}

/**
 * Joins the values of an `authorization` header that stands twice: HTTP/2 servers of Node believe the first, and what two readers of a request
 * take for its credential must be one thing. Joined, it is no credential at all. Names are lower case over HTTP/2 (RFC 9113, section 8.2.1).
 */
export function joinAuthorization(
  headers: { authorization?: string | undefined },
  rawHeaders: readonly string[],
): void {
  const values: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at] === 'authorization') values.push(rawHeaders[at + 1] ?? '');
  if (values.length > 1) headers.authorization = values.join(', ');
}
