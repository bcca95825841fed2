// Holds how long a connection without calls stays open.

import { once } from 'node:events';
import { connect, createServer, type ClientHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { OpenSessions } from '../../src/edge/grpc/open-sessions.ts';

const MAX_IDLE_MS = 1_000;

let now = 0;
let sessions: OpenSessions;
let server: ReturnType<typeof createServer>;
let client: ClientHttp2Session;
let streams: ServerHttp2Stream[];
beforeEach(async () => {
  now = 0;
  streams = [];
  sessions = new OpenSessions(MAX_IDLE_MS, () => now);
  server = createServer();
  server.on('session', (session) => sessions.enter(session));
  server.on('stream', (stream: ServerHttp2Stream) => {
    sessions.note(stream);
    streams.push(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port }: AddressInfo = server.address() as AddressInfo;
  client = connect(`http://127.0.0.1:${port}`);
  await once(client, 'connect');
});
afterEach(() => {
  sessions.close();
  client.destroy();
  server.close();
});

/** Calls, and waits until the server has seen it. */
async function call() {
  const request = client.request({ ':path': '/' });
  request.on('error', () => undefined);
  while (streams.length === 0) await once(server, 'stream');
  return request;
}

it('ends one that has been without calls for too long, and none before', async () => {
  await call();
  streams[0]?.respond({ ':status': 200 }, { endStream: true });
  await once(streams[0]!, 'close');
  now = MAX_IDLE_MS - 1;
  sessions.sweep();
  expect(client.closed).toBe(false);
  now = MAX_IDLE_MS;
  sessions.sweep();
  await once(client, 'goaway');
});

it('lets one with a call be, however long the call takes, and counts from its end', async () => {
  await call();
  now = 10 * MAX_IDLE_MS;
  sessions.sweep();
  streams[0]?.respond({ ':status': 200 }, { endStream: true });
  await once(streams[0]!, 'close');
  sessions.sweep();
  expect(client.closed).toBe(false);
  now += MAX_IDLE_MS;
  sessions.sweep();
  await once(client, 'goaway');
});

it('tells every connection when the port closes', async () => {
  sessions.close();
  await once(client, 'goaway');
});
