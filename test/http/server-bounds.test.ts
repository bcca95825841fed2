// Bounds of the HTTP server over HTTP/1.1: bodies that do not come, and connections while it stops.

import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunningHttpServer } from '../../src/edge/http/server.ts';
import { eventually } from '../support/eventually.ts';
import { startBareHttpServer } from '../support/http-server.ts';

let server: RunningHttpServer;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close(0);
});

const PIECES = [
  'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n',
  'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nsome',
  'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab',
];
const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

function open(text: string) {
  const socket = connect(server.port, '127.0.0.1');
  sockets.push(socket);
  let [answer, isClosed] = ['', false];
  socket.on('data', (bytes: Buffer) => {
    answer += bytes.toString();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    isClosed = true;
  });
  socket.write(text);
  return { socket, answer: () => answer, isClosed: () => isClosed };
}

it.each(PIECES)('answers 408 to a body that does not come, and cuts: %j', async (text) => {
  server = await startBareHttpServer(
    { handler: (request, response) => void request.on('end', () => response.end('ok')).resume() },
    { timeoutMs: 200 },
  );
  const opened = open(text);
  await eventually(opened.isClosed);
  expect(opened.answer()).toMatch(/^HTTP\/1\.1 408 /);
  expect(opened.answer()).toMatch(/\r\nconnection: close\r\n/i);
  expect(opened.answer()).toMatch(/\r\nx-request-id: \S+\r\n/i);
});

it('cuts a connection whose body still does not come when the answer has been sent', async () => {
  server = await startBareHttpServer(
    { handler: (_, response) => void response.end('early') },
    { timeoutMs: 200 },
  );
  const opened = open(PIECES[1] ?? '');
  await eventually(opened.isClosed);
  expect(opened.answer()).toMatch(/^HTTP\/1\.1 200 /);
});

it('lets an answer take longer than a body may', async () => {
  const { promise: late, resolve: release } = Promise.withResolvers<void>();
  server = await startBareHttpServer(
    { handler: (_, response) => void late.then(() => response.end('at last')) },
    { timeoutMs: 100 },
  );
  const slow = open(GET);
  const given = open(PIECES[0] ?? '');
  await eventually(given.isClosed);
  release();
  await eventually(() => slow.answer().endsWith('at last'));
});

describe('while it stops', () => {
  it('answers what is under way with connection: close, and nothing more on any connection', async () => {
    const { promise: ready, resolve: release } = Promise.withResolvers<void>();
    let served = 0;
    server = await startBareHttpServer({
      handler: (_, response) => {
        served += 1;
        void ready.then(() => response.end('done'));
      },
    });
    const busy = open(GET);
    await eventually(() => served === 1);
    const isStopped = server.close(30_000);
    busy.socket.write(GET.repeat(100));
    release();
    await isStopped;
    await eventually(busy.isClosed);
    expect(busy.answer().match(/HTTP\/1\.1 200/g)).toHaveLength(1);
    expect(busy.answer()).toMatch(/\r\nconnection: close\r\n/i);
    expect(served).toBe(1);
  });

  it('lets each answer be the last of its connection before it stops accepting, and answers new ones', async () => {
    server = await startBareHttpServer({ handler: (_, response) => void response.end('done') });
    server.drain();
    for (const connection of [open(GET), open(GET)]) {
      await eventually(connection.isClosed);
      expect(connection.answer()).toMatch(/^HTTP\/1\.1 200 /);
      expect(connection.answer()).toMatch(/\r\nconnection: close\r\n/i);
    }
  });

  it('ends idle connections at once', async () => {
    server = await startBareHttpServer({ handler: (_, response) => void response.end('done') });
    const idle = open(GET);
    await eventually(() => idle.answer().endsWith('done'));
    await server.close(30_000);
    await eventually(idle.isClosed);
  });
});
