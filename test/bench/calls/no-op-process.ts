// Bare servers that do nothing: a grpc-js RPC and a node:http handler, which answer with as many bytes as the arguments say.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';

const [grpcBytes = 0, httpBytes = 0] = process.argv.slice(2).map(Number);
const grpcPort = await startGrpc(Buffer.alloc(grpcBytes, 1));
const httpPort = await startHttp(Buffer.alloc(httpBytes, 'x'));
process.once('SIGTERM', () => process.exit(0));
console.log(
  JSON.stringify({ msg: 'ready', grpc: `127.0.0.1:${grpcPort}`, http: `http://127.0.0.1:${httpPort}` }),
);

function startGrpc(response: Buffer): Promise<number> {
  const server = new Server({ 'grpc.max_concurrent_streams': 1_000 });
  const asTheyAre = (bytes: Buffer) => bytes;
  const method = {
    path: '/bench.NoOp/Call',
    requestStream: false as const,
    responseStream: false as const,
    requestSerialize: asTheyAre,
    requestDeserialize: asTheyAre,
    responseSerialize: asTheyAre,
    responseDeserialize: asTheyAre,
  };
  server.addService(
    { Call: method },
    { Call: (_call: unknown, callback: (error: null, response: Buffer) => void) => callback(null, response) },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

function startHttp(body: Buffer): Promise<number> {
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(200, headers).end(body));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
