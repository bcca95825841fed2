// Streams that clients send, attacked on the wire: what is broken is its sender's fault, nothing is read before the caller is admitted, and no other caller waits.

import { connect as connectTcp } from 'node:net';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AdminService, ImportUsersRequestSchema } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { OpenStreams } from '../../src/edge/pipeline/open-streams.ts';
import { eventually } from '../support/eventually.ts';
import { member, type Member } from '../support/members.ts';
import { frame, jsonCall, rawCall } from '../support/raw-calls.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { PROTOCOLS, startTestService, type TestService } from '../support/service.ts';

const MAX_BYTES = 65_536;
const METHOD = AdminService.method.importUsers;
const PATH = '/latchkey.v1.AdminService/ImportUsers';

let service: TestService;
let admin: Member;
const open = new Set<OpenStreams>();

beforeAll(async () => {
  const enter = OpenStreams.prototype.enter;
  vi.spyOn(OpenStreams.prototype, 'enter').mockImplementation(function noting(this: OpenStreams, end) {
    open.add(this);
    return enter.call(this, end);
  });
  service = await startTestService({ variables: { MAX_MESSAGE_BYTES: String(MAX_BYTES) } });
  admin = await member(service, 'importer', 'admin');
});
afterAll(() => service.stop());

async function noStreamsLeft(): Promise<void> {
  await eventually(() => [...open].every(({ size }) => size === 0));
}

let names = 0;
const somebody = () => {
  names += 1;
  return { externalId: `ext-${names}`, email: `stream-${names}@example.com` };
};
const message = (count = 1) =>
  Buffer.from(
    toBinary(
      ImportUsersRequestSchema,
      create(ImportUsersRequestSchema, { users: Array.from({ length: count }, somebody) }),
    ),
  );

/** Posts raw frames; resolves to all of the answer as text. */
async function post(contentType: string, body: Uint8Array, headers: Record<string, string> = {}) {
  const response = await fetch(service.httpUrl + PATH, {
    method: 'POST',
    headers: { 'content-type': contentType, ...admin.options.headers, ...headers },
    body: Buffer.from(body),
  });
  return `${response.status} ${decodeURIComponent(await response.text())}`;
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('a message that cannot be read is the fault of its sender', async () => {
    const { code, reason } = await rawCall(
      service,
      protocol,
      METHOD,
      Buffer.from([0x0a, 0x05, 0x61]),
      admin.options.headers,
    );
    expect(`${code} ${reason}`).toBe('InvalidArgument VALIDATION_FAILED');
  });

  it('access is decided before a message is read', async () => {
    const { code, reason } = await rawCall(service, protocol, METHOD, Buffer.from([0x0a, 0x05, 0x61]));
    expect(`${code} ${reason}`).toBe('Unauthenticated TOKEN_MISSING');
  });

  it('a message that is too large is refused', async () => {
    const large = Buffer.alloc(MAX_BYTES + 1);
    const { code } = await rawCall(service, protocol, METHOD, large, admin.options.headers);
    expect(code).toBe('ResourceExhausted');
    await noStreamsLeft();
  });

  it('an unauthenticated caller is answered while the stream is still open', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* silent() {
      await promise;
      yield {};
    }
    expect((await refusalOf(service.admin(protocol).importUsers(silent()))).reason).toBe('TOKEN_MISSING');
    resolve();
  });

  it('a node that stops ends it', async () => {
    const node = await startTestService();
    const caller = await member(node, 'importer', 'admin');
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* silent() {
      yield { users: [somebody()] };
      await promise;
    }
    const refusal = refusalOf(node.admin(protocol).importUsers(silent(), caller.options));
    await eventually(async () => {
      const rows = await node.app.database.tables.selectFrom('users').select('external_id').execute();
      return rows.some(({ external_id: id }) => id !== null);
    });
    const stopped = node.stop();
    expect(await refusal).toMatchObject({ code: 'Unavailable', reason: 'SHUTTING_DOWN' });
    resolve();
    await stopped;
  });
});

describe('frames that are broken', () => {
  const cases: ReadonlyArray<readonly [string, () => Buffer]> = [
    ['half a header', () => Buffer.from([0, 0])],
    ['a message that is cut', () => frame(message(), 1_000)],
    [
      'a message and half of another',
      () => Buffer.concat([frame(message()), frame(message()).subarray(0, -3)]),
    ],
    ['a flag that says compressed', () => Buffer.concat([Buffer.from([1]), frame(message()).subarray(1)])],
    ['a flag that says the end', () => Buffer.concat([Buffer.from([0x80]), frame(message()).subarray(1)])],
  ];
  it.each(cases)('%s', async (_what, body) => {
    expect(await post('application/grpc-web+proto', body())).toContain('grpc-status: 3');
    expect(await post('application/connect+proto', body())).toContain('"invalid_argument"');
  });

  it('a length that lies about gigabytes is refused at once, and costs no memory', async () => {
    const lie = frame(Buffer.alloc(10), 0xffff_ffff);
    expect(await post('application/grpc-web+proto', lie)).toContain('grpc-status: 8');
    expect(await post('application/connect+json', lie)).toContain('"resource_exhausted"');
  });

  it('a body in single bytes is one like any other', async () => {
    const bytes = frame(Buffer.from(JSON.stringify({ users: [somebody()] })));
    const body = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Buffer.from([byte]));
        controller.close();
      },
    });
    const response = await fetch(service.httpUrl + PATH, {
      method: 'POST',
      headers: { 'content-type': 'application/connect+json', ...admin.options.headers },
      body,
      duplex: 'half',
    });
    expect(await response.text()).toContain('"created":"1"');
  });
});

describe('with JSON', () => {
  it.each(['', '{', 'null', '[]', '"text"', '{"users":1}', '{"users":[null]}', '{"users":[{"email":1}]}'])(
    '%j is refused',
    async (text) => {
      const { code, reason } = await jsonCall(service, METHOD, text, admin.options.headers);
      expect(`${code} ${reason}`).toBe('InvalidArgument VALIDATION_FAILED');
    },
  );
});

it('what the library refuses by its headers is refused', async () => {
  const body = frame(message());
  const compressed = { 'connect-content-encoding': 'gzip' };
  expect(await post('application/connect+proto', body, compressed)).toContain('unimplemented');
  expect(await post('application/connect+proto', body, { 'connect-timeout-ms': 'soon' })).toContain(
    'invalid_argument',
  );
  expect(await post('application/json', body)).toMatch(/^415 /);
  expect(await post('text/plain', body)).toMatch(/^415 /);
});

it('a connection that is cut in the middle of a message leaves nothing open, and keeps what came before', async () => {
  const { port } = new URL(service.httpUrl);
  const socket = connectTcp(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  const first = message();
  socket.write(
    `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+proto\r\ntransfer-encoding: chunked\r\n` +
      `authorization: ${admin.options.headers.authorization}\r\n\r\n`,
  );
  const chunk = Buffer.concat([frame(first), frame(first).subarray(0, 8)]);
  socket.write(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]));
  await eventually(() => [...open].some(({ size }) => size === 1));
  await eventually(async () => {
    const { tables } = service.app.database;
    const row = await tables
      .selectFrom('users')
      .select('id')
      .where('external_id', '=', `ext-${names}`)
      .executeTakeFirst();
    return row !== undefined;
  });
  socket.destroy();
  await noStreamsLeft();
});

it('many streams that are reset leave nothing open', async () => {
  const session = connect(service.grpcUrl);
  for (let count = 0; count < 200; count += 1) {
    const stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: admin.options.headers.authorization,
    });
    stream.on('error', () => undefined);
    stream.write(frame(message()).subarray(0, 7));
    stream.close();
  }
  await noStreamsLeft();
  session.destroy();
  expect(await service.admin().importUsers((async function* none() {})(), admin.options)).toMatchObject({
    created: 0n,
  });
});

it('reads no further ahead than a few messages while its handler is busy', async () => {
  const gate = Promise.withResolvers<void>();
  const { roles } = service.app;
  const list = roles.list.bind(roles);
  const busy = vi.spyOn(roles, 'list').mockImplementation(async () => {
    await gate.promise;
    return list();
  });
  const client = new Client(service.grpcAddress, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('authorization', admin.options.headers.authorization);
  const same = (buffer: Buffer) => buffer;
  const answered = Promise.withResolvers<ServiceError | null>();
  const stream = client.makeClientStreamRequest(PATH, same, same, metadata, answered.resolve);
  let sent = 0;
  const count = 400;
  // Some 26 MB in all. Two batches are with the handler, and it asks for no third.
  const first = toBinary(ImportUsersRequestSchema, create(ImportUsersRequestSchema, { users: [somebody()] }));
  const padded = Buffer.concat([first, Buffer.from([0x7a, 0xe0, 0xd4, 0x03]), Buffer.alloc(60_000)]);
  for (let index = 0; index < count; index += 1) stream.write(padded, () => (sent += 1));
  let before = -1;
  await eventually(
    () => {
      const isStill = busy.mock.calls.length > 0 && sent > 0 && sent === before;
      before = sent;
      return isStill;
    },
    { intervalMs: 500 },
  );
  expect(sent).toBeLessThan(count / 2);
  busy.mockRestore();
  gate.resolve();
  stream.end();
  expect(await answered.promise).toBeNull();
  client.close();
});
