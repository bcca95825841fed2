// Two authorization headers are two on every port and protocol, and no credential: neither the first nor the last is believed.

import { once } from 'node:events';
import { createServer } from 'node:http2';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { UnfinishedRequests } from '../../src/edge/transport/unfinished-requests.ts';
import { gateOf } from '../../src/edge/grpc/gate.ts';
import { selfSigned } from '../support/certificates.ts';
import { temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import { startBareHttpServer } from '../support/http-server.ts';
import { sendRawRequest } from '../support/raw-http2.ts';
import { signUp, startTestService } from '../support/service.ts';

const ends: Array<() => unknown> = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const REQUEST = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/latchkey.v1.UserService/GetMe'],
  [':authority', 'localhost'],
  ['content-type', 'application/grpc'],
  ['authorization', 'Bearer a'],
  ['authorization', 'Bearer b'],
] as const;

it('on the gRPC port', async () => {
  const seen: unknown[] = [];
  const unfinished = new UnfinishedRequests({
    maxRequests: 10,
    maxBytes: 1_000_000,
    maxBytesPerConnection: 1_000_000,
    timeoutMs: 10_000,
  });
  const gate = gateOf({ shapeOf: () => undefined, unary: new Map(), unfinished }, (stream, headers) => {
    seen.push(headers.authorization);
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  const server = createServer().on('stream', gate).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens nowhere');
  const socket = connect(address.port, '127.0.0.1');
  ends.push(
    () => unfinished.close(),
    () => server.close(),
    () => socket.destroy(),
  );
  sendRawRequest(socket, REQUEST);
  await eventually(() => seen.length === 1);
  expect(seen).toEqual(['Bearer a, Bearer b']);
});

it('on the HTTP port over HTTP/2', async () => {
  const folder = await temporaryFolder();
  const { cert, key } = selfSigned(folder.path, 'server');
  const seen: unknown[] = [];
  const server = await startBareHttpServer({
    tls: { cert, key, clientCa: undefined },
    handler: (request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    },
  });
  const socket = connectTls({ port: server.port, host: '127.0.0.1', ca: cert, ALPNProtocols: ['h2'] });
  ends.push(
    () => folder.remove(),
    () => server.close(0),
    () => socket.destroy(),
  );
  await once(socket, 'secureConnect');
  sendRawRequest(socket, REQUEST);
  await eventually(() => seen.length === 1);
  expect(seen).toEqual(['Bearer a, Bearer b']);
});

it('on the HTTP port over HTTP/1.1, where a good token beside another is refused, whichever is first', async () => {
  const service = await startTestService();
  ends.push(() => service.stop());
  const tokens = await signUp(service, 'ada');
  const good = `authorization: Bearer ${tokens.accessToken}\r\n`;
  const bad = 'Authorization: Bearer x\r\n';
  const statusOf = async (headers: string) => {
    const socket = connect(service.running.httpPort, '127.0.0.1');
    socket.write(
      `POST /latchkey.v1.UserService/GetMe HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n${headers}\r\n{}`,
    );
    const answer = Buffer.concat(await socket.toArray()).toString();
    return /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
  };
  expect(await statusOf(good)).toBe('200');
  for (const headers of [good + bad, bad + good, good + good]) expect(await statusOf(headers)).toBe('401');
});
