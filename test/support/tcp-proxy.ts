// A TCP proxy that stalls, refuses or resets on demand: what lies between a node and its database or Redis.

import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { freePort } from './private-server.ts';

/** A proxy on 127.0.0.1 before one server. */
export type TcpProxy = {
  readonly port: number;
  /** The URL with this proxy in the place of its host and port. */
  through(url: string): string;
  /** Connections are taken and stay open, and nothing passes in either direction. */
  stall(): void;
  /** Open connections are reset, new ones too. */
  reset(): void;
  /** Open connections are closed and the port is closed. */
  refuse(): Promise<void>;
  /** All passes again; connections that were stalled go on. */
  heal(): Promise<void>;
  /** How many connections were taken so far. */
  readonly taken: number;
  close(): Promise<void>;
};

/** Starts a proxy before `port` of 127.0.0.1. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const port = await freePort();
  const pairs = new Set<readonly [Socket, Socket]>();
  let mode: 'pass' | 'stall' | 'reset' = 'pass';
  let taken = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    taken += 1;
    if (mode === 'reset') {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.on('data', (bytes) => to.write(bytes));
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
    if (mode === 'stall') hold(pair);
  });
  const sockets = () => [...pairs].flat();
  await listen(server, port);

  return {
    port,
    through(url) {
      const changed = new URL(url);
      changed.hostname = '127.0.0.1';
      changed.port = String(port);
      return changed.href;
    },
    stall() {
      mode = 'stall';
      for (const pair of pairs) hold(pair);
    },
    reset() {
      mode = 'reset';
      for (const socket of sockets()) socket.resetAndDestroy();
    },
    async refuse() {
      await stop(server, sockets());
    },
    async heal() {
      mode = 'pass';
      if (!server.listening) await listen(server, port);
      for (const socket of sockets()) socket.resume();
    },
    get taken() {
      return taken;
    },
    close: () => stop(server, sockets()),
  };
}

function hold(pair: readonly [Socket, Socket]): void {
  for (const socket of pair) socket.pause();
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function stop(server: Server, sockets: readonly Socket[]): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  for (const socket of sockets) socket.destroy();
  await closed;
}
