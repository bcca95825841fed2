// Holds what stands before the gRPC port: requests that are none, messages that break their framing, and senders that never end.

import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { SMALL_MESSAGE_BYTES } from '../../src/edge/messages/message-limits.ts';
import { eventually } from '../support/eventually.ts';
import { frame } from '../support/raw-calls.ts';
import { openSession, rawStream, type RawEnd } from '../support/raw-grpc.ts';
import { startTestService, type TestService } from '../support/service.ts';

const { login } = AuthService.method;
const REFLECT = ServerReflection.method.serverReflectionInfo;
const INVALID_ARGUMENT = '3';
const DEADLINE_EXCEEDED = '4';
const RESOURCE_EXHAUSTED = '8';
const UNIMPLEMENTED = '12';
const EMPTY = frame(Buffer.alloc(0));
const LOGIN = frame(Buffer.from([0x0a, 0x01, 0x61]));
const MISSING_PASSWORD = 'password: is required';

const compressed = (message: Uint8Array) => {
  const framed = frame(gzipSync(message));
  framed[0] = 1;
  return framed;
};

let service: TestService;
const sessions: Array<ReturnType<typeof openSession>> = [];
const session = (from = service) => {
  const opened = openSession(from.grpcAddress);
  sessions.push(opened);
  return opened;
};
afterEach(() => {
  for (const opened of sessions.splice(0)) opened.destroy();
});

describe('the gRPC port', () => {
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service.stop());

  const call = (pieces: readonly Uint8Array[], headers: Record<string, string> = {}): Promise<RawEnd> =>
    rawStream(session(), login, pieces, { headers }).ended;

  it.each(['GET', 'PUT', 'DELETE', 'OPTIONS'])('does not take %s', async (method) => {
    expect(await call([], { ':method': method })).toMatchObject({ status: 405, grpcStatus: undefined });
  });

  it.each(['application/grpc+json', 'application/grpc-web', 'application/json', 'application/grpcx', ''])(
    'does not take the content type "%s"',
    async (type) => {
      expect(await call([EMPTY], { 'content-type': type })).toMatchObject({ status: 415 });
    },
  );

  it.each(['application/grpc', 'application/grpc+proto', 'application/grpc; charset=utf-8'])(
    'takes the content type "%s"',
    async (type) => {
      const { grpcStatus, message } = await call([LOGIN], { 'content-type': type });
      expect([grpcStatus, message]).toEqual([INVALID_ARGUMENT, MISSING_PASSWORD]);
    },
  );

  it.each<[string, readonly Uint8Array[], RegExp]>([
    ['a compressed message without an encoding', [Buffer.from([1, 0, 0, 0, 0])], /compressed/],
    ['unknown flags', [Buffer.from([2, 0, 0, 0, 0])], /flags/],
    ['half a header', [Buffer.from([0, 0])], /middle of a message/],
    ['half a message', [Buffer.from([0, 0, 0, 0, 5, 1])], /middle of a message/],
    ['two messages', [Buffer.concat([EMPTY, EMPTY])], /more than the one message/],
    ['no message', [], /no message/],
  ])('is told what is wrong with %s, and a request id', async (_what, pieces, rule) => {
    const end = await call(pieces, { 'x-request-id': 'mine-1' });
    expect(end).toMatchObject({ status: 200, grpcStatus: INVALID_ARGUMENT, requestId: 'mine-1' });
    expect(end.message).toMatch(rule);
  });

  it.each(['', 'x', '1', '-1S', '1.5S', '999999999S', '5 S', '1X'])(
    'refuses the timeout "%s"',
    async (timeout) => {
      const end = await call([LOGIN], { 'grpc-timeout': timeout });
      expect(end.grpcStatus).toBe(INVALID_ARGUMENT);
      expect(end.message).toMatch(/grpc-timeout/);
    },
  );

  it.each(['1000H', '99999999H'])('takes %s for no deadline', async (timeout) => {
    expect((await call([LOGIN], { 'grpc-timeout': timeout })).message).toBe(MISSING_PASSWORD);
  });

  it('puts a message together that comes byte by byte', async () => {
    const pieces = [...LOGIN].map((byte) => Buffer.from([byte]));
    expect((await call(pieces)).message).toBe(MISSING_PASSWORD);
  });

  it('refuses a second message that comes when the first has been taken', async () => {
    const opened = session();
    // A ping before that is answered by nobody.
    await once(opened, 'connect');
    const { stream, ended } = rawStream(opened, login, [LOGIN], { end: false });
    // Answered when all before it has been read.
    await new Promise<void>((resolve) => opened.ping(() => resolve()));
    stream.end(EMPTY);
    const end = await ended;
    expect(end.grpcStatus).toBe(INVALID_ARGUMENT);
    expect(end.requestId).toMatch(/./);
    expect(end.message).toMatch(/more than the one message/);
  });

  it('refuses a second message behind a compressed one', async () => {
    const pieces = [compressed(LOGIN.subarray(5)), EMPTY];
    const end = await call(pieces, { 'grpc-encoding': 'gzip' });
    expect([end.grpcStatus, end.message]).toEqual([
      INVALID_ARGUMENT,
      expect.stringMatching(/more than the one message/),
    ]);
  });

  it('decompresses, within the bounds of the method', async () => {
    const headers = { 'grpc-encoding': 'gzip' };
    expect((await call([compressed(LOGIN.subarray(5))], headers)).message).toBe(MISSING_PASSWORD);
    const bomb = compressed(Buffer.alloc(SMALL_MESSAGE_BYTES + 1));
    expect(await call([bomb], headers)).toMatchObject({ grpcStatus: RESOURCE_EXHAUSTED });
    const broken = Buffer.from([1, 0, 0, 0, 2, 1, 2]);
    expect(await call([broken], headers)).toMatchObject({ grpcStatus: INVALID_ARGUMENT });
    expect(await call([broken], { 'grpc-encoding': 'br' })).toMatchObject({ grpcStatus: UNIMPLEMENTED });
  });

  it.each(['br', 'constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty'])(
    'knows no encoding "%s", and goes on',
    async (encoding) => {
      const end = await call([compressed(LOGIN.subarray(5))], { 'grpc-encoding': encoding });
      expect(end.grpcStatus).toBe(UNIMPLEMENTED);
      expect(end.requestId).toMatch(/./);
      expect((await call([LOGIN])).message).toBe(MISSING_PASSWORD);
    },
  );

  it('takes no compressed message where a request is a stream of them', async () => {
    const headers = { 'grpc-encoding': 'gzip', 'x-request-id': 'mine-2' };
    for (const bytes of [gzipSync(Buffer.alloc(0)), Buffer.from('abc'), Buffer.alloc(0)]) {
      const framed = frame(bytes);
      framed[0] = 1;
      const end = await rawStream(session(), REFLECT, [framed], { headers }).ended;
      expect(end).toMatchObject({ grpcStatus: UNIMPLEMENTED, requestId: 'mine-2' });
      expect(end.message).toMatch(/uncompressed/);
    }
  });

  it('says in the trailers what is wrong when the answer has begun', async () => {
    const listServices = frame(Buffer.from([0x3a, 0x00]));
    const { stream, ended } = rawStream(session(), REFLECT, [listServices], {
      end: false,
      headers: { 'x-request-id': 'mine-3' },
    });
    stream.once('data', () => stream.write(Buffer.from([7, 0, 0, 0, 0])));
    const end = await ended;
    expect(end).toMatchObject({ status: 200, grpcStatus: INVALID_ARGUMENT, requestId: 'mine-3' });
    expect(end.message).toMatch(/flags/);
  });

  it('refuses a message by its announced length, before any of it has come', async () => {
    const head = frame(Buffer.alloc(0), SMALL_MESSAGE_BYTES + 1);
    const { ended } = rawStream(session(), login, [head], { end: false });
    expect(await ended).toMatchObject({ grpcStatus: RESOURCE_EXHAUSTED });
  });
});

describe('senders that never end', () => {
  const STREAMS = 200;
  beforeAll(async () => {
    service = await startTestService({
      variables: { REQUEST_TIMEOUT: '300ms', MAX_CONNECTIONS_PER_ADDRESS: '20' },
    });
  });
  afterAll(() => service.stop());

  it.each<[string, readonly Uint8Array[]]>([
    ['before the message', []],
    ['in the middle of the header', [Buffer.from([0, 0])]],
    ['in the middle of the message', [frame(Buffer.from([0x0a]), 100)]],
    ['behind the message', [LOGIN]],
  ])('are given up %s, while others are served', async (_where, pieces) => {
    const opened = session();
    const ends: RawEnd[] = [];
    for (let count = 0; count < STREAMS; count += 1)
      void rawStream(opened, login, pieces, { end: false }).ended.then((end) => ends.push(end));
    expect((await service.auth().getJwks({})).keys).toHaveLength(1);
    await eventually(() => ends.length === STREAMS);
    expect(new Set(ends.map(({ grpcStatus }) => grpcStatus))).toEqual(new Set([DEADLINE_EXCEEDED]));
    expect(ends.every(({ requestId }) => requestId !== undefined)).toBe(true);
  });

  it('are given up for good, though the rest comes when they have been told', async () => {
    const { stream, ended } = rawStream(session(), login, [LOGIN.subarray(0, 6)], { end: false });
    stream.once('response', () => stream.end(LOGIN.subarray(6)));
    expect(await ended).toMatchObject({ grpcStatus: DEADLINE_EXCEEDED });
    expect((await service.auth().getJwks({})).keys).toHaveLength(1);
  });

  it('are given up in the middle of a stream of messages too', async () => {
    const { ended } = rawStream(session(), REFLECT, [frame(Buffer.from([0x0a]), 100)], { end: false });
    expect(await ended).toMatchObject({ grpcStatus: DEADLINE_EXCEEDED });
  });

  it('are refused as connections when their address has as many as it may', async () => {
    const sockets = Array.from({ length: 27 }, () =>
      connect(service.running.httpPort, '127.0.0.1').on('error', () => undefined),
    );
    let closed = 0;
    for (const socket of sockets) socket.on('close', () => (closed += 1));
    await eventually(() => closed === 7);
    for (const socket of sockets) socket.destroy();
    await eventually(() => closed === 27);
    await eventually(async () => (await fetch(`${service.httpUrl}/healthz`)).ok);
  });
});

describe('bytes that are held for nobody', () => {
  beforeAll(async () => {
    service = await startTestService({
      variables: { MAX_UNFINISHED_BYTES: '1048576', MAX_MESSAGE_BYTES: '65536', REQUEST_TIMEOUT: '1m' },
    });
  });
  afterAll(() => service.stop());

  it('count as they are inflated, until the request has ended', async () => {
    const opened = session();
    const ends: RawEnd[] = [];
    const pieces = [compressed(Buffer.alloc(60_000))];
    // Some hundred bytes each, and 120,000 once they are inflated and copied.
    for (let count = 0; count < 20; count += 1)
      void rawStream(opened, login, pieces, { end: false, headers: { 'grpc-encoding': 'gzip' } }).ended.then(
        (end) => ends.push(end),
      );
    await eventually(() => ends.length >= 15);
    expect(new Set(ends.map(({ grpcStatus }) => grpcStatus))).toEqual(new Set([RESOURCE_EXHAUSTED]));
  });

  it('cost a connection its oldest requests, not others theirs', async () => {
    const honest = rawStream(session(), login, [LOGIN.subarray(0, 6)], { end: false });
    const opened = session();
    const ends: RawEnd[] = [];
    // Each holds 60,000 bytes of the 320 KiB that a connection may hold.
    for (let count = 0; count < 20; count += 1)
      void rawStream(opened, login, [frame(Buffer.alloc(60_000), 60_001)], { end: false }).ended.then((end) =>
        ends.push(end),
      );
    await eventually(() => ends.length >= 10);
    expect(new Set(ends.map(({ grpcStatus }) => grpcStatus))).toEqual(new Set([RESOURCE_EXHAUSTED]));
    honest.stream.end(LOGIN.subarray(6));
    expect((await honest.ended).message).toBe(MISSING_PASSWORD);
  });
});
