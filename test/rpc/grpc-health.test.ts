// The standard health service: its answers, its notifications of changes, and how many watches unauthenticated callers may open.

import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
} from '../../gen/grpc/health/v1/health_pb.ts';
import { GrpcHealth, MAX_WATCHES } from '../../src/edge/grpc/health.ts';
import { eventually } from '../support/eventually.ts';
import { frame } from '../support/raw-calls.ts';
import { rawStream } from '../support/raw-grpc.ts';

const SERVICE = 'example.v1.Service';
const PATH = '/grpc.health.v1.Health/';
const asTheyAre = (bytes: Buffer) => bytes;
const requestOf = (service: string) =>
  Buffer.from(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service })));

let health: GrpcHealth;
let server: Server;
let client: Client;
let port: number;
beforeEach(async () => {
  health = new GrpcHealth([SERVICE]);
  server = new Server();
  health.addTo(server);
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterEach(() => {
  client.close();
  server.forceShutdown();
});

function call(method: string, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(PATH + method, asTheyAre, asTheyAre, request, (error, answer) =>
      error === null ? resolve(answer ?? Buffer.alloc(0)) : reject(error),
    );
  });
}

const check = async (service: string) =>
  fromBinary(HealthCheckResponseSchema, await call('Check', requestOf(service))).status;

function watch(service: string) {
  const seen: Status[] = [];
  const stream: ClientReadableStream<Buffer> = client.makeServerStreamRequest(
    `${PATH}Watch`,
    asTheyAre,
    asTheyAre,
    requestOf(service),
  );
  const ended = new Promise<number>((resolve) => {
    stream.on('error', (error: Error & { code?: number }) => resolve(error.code ?? -1));
  });
  stream.on('data', (bytes: Buffer) => seen.push(fromBinary(HealthCheckResponseSchema, bytes).status));
  return { seen, ended, cancel: () => stream.cancel() };
}

/** A watch from another address of this machine. */
function rawWatch(localAddress: string) {
  const session = connect(`http://127.0.0.1:${port}`, {
    createConnection: () => connectSocket({ host: '127.0.0.1', port, localAddress }),
  });
  const { watch: method } = Health.method;
  const { stream } = rawStream(session, method, [frame(requestOf(SERVICE))]);
  let count = 0;
  stream.on('data', () => (count += 1));
  return { answers: () => count, cancel: () => session.destroy() };
}

it('says how the server and each of its services are, and knows no other', async () => {
  expect([await check(''), await check(SERVICE)]).toEqual([Status.NOT_SERVING, Status.NOT_SERVING]);
  health.set(true);
  expect([await check(''), await check(SERVICE)]).toEqual([Status.SERVING, Status.SERVING]);
  await expect(check('example.v1.Other')).rejects.toMatchObject({ code: 5 });
  const { statuses } = fromBinary(HealthListResponseSchema, await call('List', Buffer.alloc(0)));
  expect(Object.keys(statuses)).toEqual(['', SERVICE]);
  expect(statuses[SERVICE]?.status).toBe(Status.SERVING);
});

it('refuses a request that is none', async () => {
  await expect(call('Check', Buffer.from([0xff]))).rejects.toMatchObject({ code: 3 });
});

it('notifies watchers of each change, once', async () => {
  const [known, unknown] = [watch(SERVICE), watch('example.v1.Other')];
  await eventually(() => known.seen.length === 1 && unknown.seen.length === 1);
  health.set(false);
  health.set(true);
  await eventually(() => known.seen.length === 2);
  health.set(true);
  health.set(false);
  await eventually(() => known.seen.length === 3);
  expect(known.seen).toEqual([Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
  expect(unknown.seen).toEqual([Status.SERVICE_UNKNOWN]);
  known.cancel();
  unknown.cancel();
  await eventually(() => health.watches === 0);
});

it('keeps a bounded number of watches, and ends the oldest of the client with the most', async () => {
  const honest = rawWatch('127.0.0.2');
  await eventually(() => health.watches === 1);
  const first = watch(SERVICE);
  await eventually(() => health.watches === 2);
  const others = Array.from({ length: MAX_WATCHES - 2 }, () => watch(SERVICE));
  await eventually(() => health.watches === MAX_WATCHES);
  const last = watch(SERVICE);
  expect(await first.ended).toBe(8);
  await eventually(() => last.seen.length === 1);
  expect(health.watches).toBe(MAX_WATCHES);
  health.set(true);
  await eventually(() => honest.answers() === 2);
  for (const { cancel } of [...others, last, honest]) cancel();
  await eventually(() => health.watches === 0);
});
