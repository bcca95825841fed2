// Opens both ports over one app, within the same bounds, and closes them in order.

import { setTimeout as delay } from 'node:timers/promises';
import { Health } from '../gen/grpc/health/v1/health_pb.ts';
import { AuthService } from '../gen/latchkey/v1/auth_service_pb.ts';
import type { App } from './app.ts';
import type { ConnectionLimits } from './edge/transport/connections.ts';
import { UnfinishedRequests } from './edge/transport/unfinished-requests.ts';
import type { Readiness } from './domain/health/readiness.ts';
import type { RouteDeps } from './edge/http/routes.ts';
import { createRoutes } from './edge/http/routes.ts';
import { refusedOrigins } from './edge/http/refused-origins.ts';
import type { RunningHttpServer } from './edge/http/server.ts';
import { startHttpServer } from './edge/http/server.ts';
import { addressKey } from './domain/limits/address-key.ts';
import { withinAny } from './edge/pipeline/client-address.ts';
import { createConnectHandler } from './edge/connect/server.ts';
import type { GrpcHealth } from './edge/grpc/health.ts';
import type { GrpcPort } from './edge/grpc/port.ts';
import { openGrpcPort } from './edge/grpc/port.ts';
import { addReflection } from './edge/grpc/reflection.ts';
import { createGrpcServer } from './edge/grpc/server.ts';
import { GrpcUnary } from './edge/grpc/unary.ts';
import { unaryMethods } from './edge/operations/unary-methods.ts';
import type { ServedService } from './edge/operations/handlers.ts';
import { messageLimits, requestShapes } from './edge/messages/message-limits.ts';
import { ruleOf } from './edge/pipeline/operation.ts';
import type { StreamPipelineDeps } from './edge/pipeline/stream-life.ts';

/** How long an answer may take to leave. */
const FLUSH_MS = 250;
const CONNECTION_IDLE_MS = 15 * 60_000;
/** How many requests of the whole process may be unfinished. */
const MAX_UNFINISHED_REQUESTS = 10_000;
/** What one connection may hold of what all may. */
const CONNECTION_SHARE = 1 / 4;
/** A message that comes in fragments may hold this many times its size: each keeps the buffer that it was read into. */
const FRAGMENT_OVERHEAD = 5;

/** What the ports serve. */
export type Served = {
  readonly pipeline: StreamPipelineDeps;
  readonly services: readonly ServedService[];
  readonly health: GrpcHealth;
  readonly readiness: () => Readiness;
};

/** Both ports, open. */
export type Listeners = {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Calls are still served, and HTTP/1.1 clients are told to connect anew: elsewhere, once this node is out of rotation. */
  drain(): void;
  /** No new connections, no new calls on those that are open; what is under way ends, or is cut after the grace. */
  close(graceMs: number): Promise<void>;
};

/** Opens the ports. Errors: when one is taken or a certificate is unusable; neither is open then. */
export async function openListeners(app: App, served: Served): Promise<Listeners> {
  const unfinished = unfinishedRequests(app);
  const grpc = await openGrpc(app, served, unfinished);
  const http = await openHttp(app, served, unfinished).catch(async (error: unknown) => {
    await grpc.close(0, Promise.resolve());
    throw error;
  });
  return {
    grpcPort: grpc.port,
    httpPort: http.port,
    drain: () => http.drain(),
    async close(graceMs) {
      // A health watch never ends by itself: when the last call has been answered and its answer sent, what is left is cut.
      const answered = quiet(served.pipeline.activeCalls, unfinished).then(() =>
        delay(FLUSH_MS, undefined, { ref: false }),
      );
      await Promise.all([grpc.close(graceMs, answered), http.close(graceMs)]);
      unfinished.close();
    },
  };
}

// What has begun to arrive is a call of its sender's already.
async function quiet(calls: Idling, unfinished: Idling): Promise<void> {
  await unfinished.idle();
  await calls.idle();
}

type Idling = { idle(): Promise<void> };

function unfinishedRequests(app: App): UnfinishedRequests {
  const { MAX_MESSAGE_BYTES, MAX_UNFINISHED_BYTES, REQUEST_TIMEOUT } = app.config;
  const largest = MAX_MESSAGE_BYTES * FRAGMENT_OVERHEAD;
  return new UnfinishedRequests({
    maxRequests: MAX_UNFINISHED_REQUESTS,
    maxBytes: Math.max(MAX_UNFINISHED_BYTES, largest),
    maxBytesPerConnection: Math.max(MAX_UNFINISHED_BYTES * CONNECTION_SHARE, largest),
    timeoutMs: REQUEST_TIMEOUT,
  });
}

function connectionLimits(app: App): ConnectionLimits {
  const { MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, TRUSTED_PROXIES } = app.config;
  return {
    maxConnections: MAX_CONNECTIONS,
    maxPerAddress: MAX_CONNECTIONS_PER_ADDRESS,
    keyOf: addressKey,
    isExempt: withinAny(TRUSTED_PROXIES),
  };
}

/** Warns once about each port: a client that opens connections without end must not fill the log as well. */
function warnOnce(app: App, port: string): (address: string) => void {
  let hasWarned = false;
  return (address) => {
    if (hasWarned) return;
    hasWarned = true;
    app.logger.warn(
      { port, ip: address, limit: app.config.MAX_CONNECTIONS_PER_ADDRESS },
      'refused a connection: its address has as many as one may have (LATCHKEY_MAX_CONNECTIONS_PER_ADDRESS; proxies belong in LATCHKEY_TRUSTED_PROXIES)',
    );
  };
}

function openGrpc(app: App, served: Served, unfinished: UnfinishedRequests): Promise<GrpcPort> {
  const { MAX_MESSAGE_BYTES, MAX_CONCURRENT_STREAMS, GRPC_ADDRESS, TLS } = app.config;
  const descriptors = served.services.map(({ service }) => service);
  const server = createGrpcServer(served.pipeline, served.services, {
    maxMessageBytes: MAX_MESSAGE_BYTES,
  });
  served.health.addTo(server);
  addReflection(server, [...descriptors, Health]);
  const unary = new Map(
    unaryMethods(served.pipeline, served.services).map(({ path, method, serve }) => {
      return [path, new GrpcUnary(method, serve, MAX_MESSAGE_BYTES)] as const;
    }),
  );
  const shapes = requestShapes(descriptors, messageLimits(MAX_MESSAGE_BYTES));
  const options = {
    tls: TLS,
    maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
    connections: connectionLimits(app),
    onConnectionRefused: warnOnce(app, 'grpc'),
    maxConnectionIdleMs: CONNECTION_IDLE_MS,
    shapeOf: (path: string) => shapes.get(path),
    unary,
    unfinished,
  };
  return openGrpcPort(server, options, GRPC_ADDRESS);
}

function openHttp(app: App, served: Served, unfinished: UnfinishedRequests): Promise<RunningHttpServer> {
  const { MAX_MESSAGE_BYTES, MAX_CONCURRENT_STREAMS, ALLOWED_ORIGINS, HTTP_ADDRESS, HSTS, PUBLIC_URL, TLS } =
    app.config;
  const limits = {
    maxMessageBytes: messageLimits(MAX_MESSAGE_BYTES),
    maxResponseBytes: MAX_MESSAGE_BYTES,
  };
  const routes = createRoutes(served.pipeline, routeDepsOf(app, served));
  const options = {
    tls: TLS,
    hsts: HSTS,
    allowedOrigins: new Set(ALLOWED_ORIGINS),
    onRefusedOrigin: refusedOrigins(new URL(PUBLIC_URL).origin, (origin) =>
      app.logger.warn(
        { origin },
        'a page of an origin that is not among LATCHKEY_ALLOWED_ORIGINS cannot call',
      ),
    ),
    maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
    connections: connectionLimits(app),
    onConnectionRefused: warnOnce(app, 'http'),
    unfinished,
    handler: createConnectHandler(served.pipeline, served.services, limits, routes),
  };
  return startHttpServer(options, HTTP_ADDRESS);
}

function routeDepsOf(app: App, { pipeline, readiness }: Served): RouteDeps {
  const introspectionAccess = ruleOf(pipeline.accessTable, AuthService.method.validateToken);
  const { ISSUER: issuer, PUBLIC_URL: publicUrl } = app.config;
  return { ...app, readiness, introspectionAccess, issuer, publicUrl };
}
