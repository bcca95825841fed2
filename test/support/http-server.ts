// The HTTP server alone, on a free port and with wide bounds, for tests of what stands before the handlers.

import { UnfinishedRequests, type UnfinishedLimits } from '../../src/edge/transport/unfinished-requests.ts';
import {
  startHttpServer,
  type HttpServerOptions,
  type RunningHttpServer,
} from '../../src/edge/http/server.ts';

const WIDE: UnfinishedLimits = {
  maxRequests: 1_000,
  maxBytes: 1_000_000,
  maxBytesPerConnection: 1_000_000,
  timeoutMs: 10_000,
};

/** Starts the server without TLS; `limits` and `options` stand before the wide ones. Whoever starts it closes it. */
export function startBareHttpServer(
  options: Pick<HttpServerOptions, 'handler'> & Partial<HttpServerOptions>,
  limits: Partial<UnfinishedLimits> = {},
): Promise<RunningHttpServer> {
  return startHttpServer(
    {
      tls: undefined,
      hsts: 'off',
      allowedOrigins: new Set(),
      maxConcurrentStreams: 10,
      connections: {
        maxConnections: 1_000,
        maxPerAddress: 1_000,
        keyOf: (address) => address,
        isExempt: () => false,
      },
      onConnectionRefused: () => undefined,
      unfinished: new UnfinishedRequests({ ...WIDE, ...limits }),
      ...options,
    },
    '127.0.0.1:0',
  );
}
