// The HTTP server alone, on a free port and with wide bounds, for tests of what stands before the handlers.

import type { ServerResponse } from 'node:http';
import type { HttpRequest } from '../../src/edge/http/exchange.ts';
import { UnfinishedRequests, type UnfinishedLimits } from '../../src/edge/transport/unfinished-requests.ts';
import { trackArrival } from '../../src/edge/http/request-arrival.ts';
import {
  startHttpServer,
  type HttpServerOptions,
  type RunningHttpServer,
} from '../../src/edge/http/server.ts';

type Listener = (request: HttpRequest, response: ServerResponse) => void;

const WIDE: UnfinishedLimits = {
  maxRequests: 1_000,
  maxBytes: 1_000_000,
  maxBytesPerConnection: 1_000_000,
  timeoutMs: 10_000,
};

/** Starts the server without TLS; `limits` and `options` stand before the wide ones. Whoever starts it closes it. */
export function startBareHttpServer(
  { handler, ...options }: { readonly handler: Listener } & Partial<Omit<HttpServerOptions, 'handler'>>,
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
      handler: (exchange) => {
        trackArrival(exchange);
        exchange.applyHeaders();
        handler(exchange.request, exchange.response);
      },
    },
    '127.0.0.1:0',
  );
}
