// Connect and gRPC-Web, over HTTP/1.1 and HTTP/2: unary calls of Connect by an adapter of ours, streams and gRPC-Web by connect-node.

import type { HttpHandler } from '../http/server.ts';
import { trackArrival } from '../http/request-arrival.ts';
import type { ServedService } from '../operations/handlers.ts';
import { pathOf, unaryMethods } from '../operations/unary-methods.ts';
import type { StreamPipelineDeps } from '../pipeline/stream-life.ts';
import { isGrpcWeb } from './format.ts';
import type { ConnectLimits } from './library.ts';
import { libraryHandler } from './library.ts';
import { ConnectUnary } from './unary.ts';

/** Serves every method of `services` behind the pipeline; other paths go to `fallback`. */
export function createConnectHandler(
  deps: StreamPipelineDeps,
  services: readonly ServedService[],
  limits: ConnectLimits,
  fallback: HttpHandler,
): HttpHandler {
  const { maxResponseBytes } = limits;
  const unary = new Map(
    unaryMethods(deps, services).map(({ path, method, serve }) => {
      const bounds = { maxRequestBytes: limits.maxMessageBytes(method), maxResponseBytes };
      return [path, new ConnectUnary(method, serve, bounds)] as const;
    }),
  );
  const paths = new Set(services.flatMap(({ service }) => service.methods.map(pathOf)));
  const library = libraryHandler(deps, services, limits);
  return (exchange) => {
    const { path } = exchange.target;
    if (!paths.has(path)) return fallback(exchange);
    const method = unary.get(path);
    if (method !== undefined && !isGrpcWeb(exchange.header('content-type'))) return method.handle(exchange);
    trackArrival(exchange);
    exchange.applyHeaders();
    library(exchange.request, exchange.response);
  };
}
