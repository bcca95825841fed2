// The load client, a process of its own: a closed loop of one call over several connections. The parent asks for open connections, then says
// how many milliseconds a round takes, and is sent a LoadResult.

import { once } from 'node:events';
import { openGrpcConnection } from './grpc-connection.ts';
import { openHttpConnection } from './http-connection.ts';
import type { Connection } from './load-request.ts';
import { LoadRequest, type LoadResult } from './load-request.ts';

// Enough calls in flight to keep a server busy while the client waits for its core.
const SHAPE = { grpc: { connections: 8, inFlight: 32 }, http: { connections: 128, inFlight: 1 } };

const request = LoadRequest.parse(JSON.parse(process.argv[2] ?? '{}'));
const { connections: count, inFlight } = SHAPE[request.protocol];
const open = request.protocol === 'grpc' ? openGrpcConnection : openHttpConnection;

let connections: readonly Connection[] = [];
let end = 0;
let pending = 0;
let calls = 0;
let failures = 0;
let onIdle = () => {};

process.on('message', (message: 'open' | number) => {
  void (message === 'open' ? openAll() : runRound(message));
});
process.on('disconnect', () => process.exit(0));

// For each round anew: servers close connections that are idle while others are measured.
async function openAll(): Promise<void> {
  connections = Array.from({ length: count }, openOne);
  await Promise.all(connections.map(({ socket }) => once(socket, 'connect')));
  process.send?.('open');
}

function openOne(): Connection {
  const connection: Connection = open(request, (isGood) => {
    calls += 1;
    if (!isGood) failures += 1;
    if (performance.now() < end) return connection.call();
    pending -= 1;
    if (pending === 0) onIdle();
  });
  connection.socket.on('end', () => {
    console.error(`${request.url} closed a connection`);
    process.exit(1);
  });
  return connection;
}

async function runRound(milliseconds: number): Promise<void> {
  const idle = new Promise<void>((resolve) => {
    onIdle = resolve;
  });
  [calls, failures] = [0, 0];
  const before = process.cpuUsage();
  const start = performance.now();
  end = start + milliseconds;
  pending = count * inFlight;
  for (const connection of connections) {
    for (let call = 0; call < inFlight; call += 1) connection.call();
    connection.flush();
  }
  await idle;
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(before);
  for (const { socket } of connections) socket.destroy();
  const result: LoadResult = { calls, failures, seconds, cpuSeconds: (user + system) / 1e6 };
  process.send?.(result);
}
