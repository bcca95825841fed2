// Where the service is called.

import type { Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';

/** The URL of a node's gRPC port, or a transport of one's own (for mTLS, or for Connect through a proxy). */
export type Endpoint = string | URL | Transport;

/** A connection that has died in silence is noticed after these two together, and replaced. */
const PING_INTERVAL_MS = 2_000;
const PING_TIMEOUT_MS = 2_000;

/** The transport to an endpoint. Errors: TypeError when the text is no URL. */
export function transportTo(endpoint: Endpoint): Transport {
  if (typeof endpoint !== 'string' && !(endpoint instanceof URL)) return endpoint;
  return createGrpcTransport({
    baseUrl: new URL(endpoint).href,
    pingIntervalMs: PING_INTERVAL_MS,
    pingTimeoutMs: PING_TIMEOUT_MS,
  });
}
