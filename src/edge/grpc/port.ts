// The gRPC port: an HTTP/2 server of our own, whose streams pass the gate to the adapter of unary calls or to grpc-js.

import { EventEmitter } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import { createSecureServer, createServer } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { ServerCredentials } from '@grpc/grpc-js';
import type { ConnectionLimits } from '../transport/connections.ts';
import { Connections } from '../transport/connections.ts';
import type { TlsMaterial } from '../transport/listen.ts';
import { closeWithin, http2Options, listen, tlsOptions } from '../transport/listen.ts';
import { OpenSessions } from './open-sessions.ts';
import type { GateDeps } from './gate.ts';
import { gateOf } from './gate.ts';

export type GrpcPortOptions = GateDeps & {
  readonly tls: TlsMaterial | undefined;
  readonly maxConcurrentStreams: number;
  readonly connections: ConnectionLimits;
  readonly onConnectionRefused: (address: string) => void;
  /** A connection without calls is ended after so long. */
  readonly maxConnectionIdleMs: number;
};

/** An open port. */
export type GrpcPort = {
  readonly port: number;
  /** Accepts nothing more, and tells every connection by GOAWAY; what is left after `graceMs`, or when `cut` resolves, is cut. */
  close(graceMs: number, cut: Promise<void>): Promise<void>;
};

/** Lets `server` serve what comes to `address` (host:port). Errors: when the address is taken or not ours, or the certificate is unusable. */
export async function openGrpcPort(
  server: Server,
  options: GrpcPortOptions,
  address: string,
): Promise<GrpcPort> {
  const { tls, maxConcurrentStreams } = options;
  const http2 = http2Options(maxConcurrentStreams);
  const port = tls === undefined ? createServer(http2) : createSecureServer({ ...http2, ...tlsOptions(tls) });
  const connections = new Connections(options.connections, options.onConnectionRefused);
  connections.guard(port);
  const inner = innerHttp2Server(server);
  const sessions = new OpenSessions(options.maxConnectionIdleMs);
  port.on('session', (session) => {
    sessions.enter(session);
    // grpc-js pings it.
    inner.emit('session', session);
  });
  const gate = gateOf(options, (stream, headers) => inner.emit('stream', stream, headers));
  port.on('stream', (stream: ServerHttp2Stream) => sessions.note(stream));
  port.on('stream', gate);
  // What a broken connection says of itself is nobody's news.
  port.on('sessionError', () => undefined);
  return {
    port: await listen(port, address),
    close(graceMs, cut) {
      void cut.then(() => connections.destroy());
      sessions.close();
      return closeWithin(port, graceMs, () => connections.destroy());
    },
  };
}

/**
 * grpc-js takes connections, not streams, and leaves no room between a stream and its own buffers. Its HTTP/2 server is there all the same, behind a
 * connection injector that gets no connection, and its listeners are all that is needed of it. Errors: when grpc-js has changed.
 */
function innerHttp2Server(server: Server): EventEmitter {
  server.createConnectionInjector(ServerCredentials.createInsecure());
  const servers: unknown = Reflect.get(server, 'http2Servers');
  const inner: unknown = servers instanceof Map ? servers.keys().next().value : undefined;
  if (inner instanceof EventEmitter && inner.listenerCount('stream') === 1) return inner;
  throw new Error('this version of @grpc/grpc-js keeps its HTTP/2 server elsewhere');
}
