// Mutates requests of unary calls over Connect: nothing of it is an error of ours, or ends the server.

import { connect } from 'node:net';
import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  integer,
  nat,
  record,
  string,
  uint8Array,
} from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AdminService } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import { signUp, startTestService, type TestService } from '../support/service.ts';

/** How many bursts of up to MAX_BURST requests; a long run sets more. */
const RUNS = Number(process.env['LATCHKEY_TEST_FUZZ_RUNS'] ?? 40);
const MAX_BURST = 40;

const PATHS = [AuthService, UserService, AdminService].flatMap(({ typeName, methods }) =>
  methods.filter(({ methodKind }) => methodKind === 'unary').map(({ name }) => `/${typeName}/${name}`),
);

let service: TestService;
let token: string;
beforeAll(async () => {
  service = await startTestService({ variables: { MAX_CONNECTIONS_PER_ADDRESS: '100000' } });
  token = (await signUp(service, 'fuzz')).accessToken;
});
afterAll(() => service.stop());

const mutation = record({
  path: constantFrom(...PATHS),
  method: constantFrom('POST', 'POST', 'POST', 'GET', 'HEAD', 'PUT', 'OPTIONS'),
  type: constantFrom(
    'application/json',
    'application/proto',
    'application/json; charset=utf-16',
    'application/grpc-web+proto',
    'text/plain',
    '',
  ),
  encoding: constantFrom('', '', '', 'gzip', 'identity', 'constructor'),
  timeout: constantFrom('', '', '1', '0', '-1', '9999999999', 'x'),
  query: constantFrom(
    '',
    '',
    '?',
    '?connect=v1&encoding=json&message=%7B',
    '?encoding=proto&base64=1&message=!',
  ),
  credential: constantFrom('', '', 'good', 'bad', 'twice'),
  body: string({ unit: 'binary', maxLength: 200 }).map((text) => Buffer.from(text)),
  bytes: uint8Array({ maxLength: 64 }),
  isBinary: constantFrom(true, false),
  framing: constantFrom('length', 'length', 'chunked', 'short', 'long'),
  cut: nat(400),
  isCut: integer({ min: 0, max: 9 }).map((roll) => roll === 0),
});
type Mutation = typeof mutation extends { generate(...input: never[]): { readonly value: infer Value } }
  ? Value
  : never;

it('answers each of its own, or not at all', async () => {
  await assert(
    asyncProperty(array(mutation, { minLength: 1, maxLength: MAX_BURST }), async (burst) => {
      const answers = await Promise.all(burst.map((one) => exchange(bytesOf(one), one.isCut)));
      for (const answer of answers.filter((text) => text !== '')) {
        expect(answer).toMatch(/^HTTP\/1\.1 [1-4]\d\d|^HTTP\/1\.1 50[134] /);
        expect(answer).not.toContain('"internal"');
      }
    }),
    { numRuns: RUNS },
  );
  expect((await fetch(`${service.httpUrl}/healthz`)).status).toBe(200);
});

function bytesOf(mutated: Mutation): Buffer {
  const body = Buffer.from(mutated.isBinary ? mutated.bytes : mutated.body);
  const headers = [
    'host: a',
    'connection: close',
    ...(mutated.type === '' ? [] : [`content-type: ${mutated.type}`]),
    ...(mutated.encoding === '' ? [] : [`content-encoding: ${mutated.encoding}`]),
    ...(mutated.timeout === '' ? [] : [`connect-timeout-ms: ${mutated.timeout}`]),
    ...credentialsOf(mutated.credential),
    ...framingOf(mutated.framing, body.length),
  ];
  const head = `${mutated.method} ${mutated.path}${mutated.query} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`;
  const framed =
    mutated.framing === 'chunked'
      ? Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')])
      : body;
  const whole = Buffer.concat([Buffer.from(head), framed]);
  return mutated.isCut ? whole.subarray(0, mutated.cut) : whole;
}

function credentialsOf(kind: string): readonly string[] {
  if (kind === 'good') return [`authorization: Bearer ${token}`];
  if (kind === 'bad') return ['authorization: Bearer x', 'x-api-key: lkak_x'];
  return kind === 'twice' ? [`authorization: Bearer ${token}`, `authorization: Bearer ${token}`] : [];
}

function framingOf(framing: string, length: number): readonly string[] {
  if (framing === 'chunked') return ['transfer-encoding: chunked'];
  if (framing === 'short') return [`content-length: ${Math.max(0, length - 1)}`];
  return framing === 'long' ? [`content-length: ${length + 1}`] : [`content-length: ${length}`];
}

/** Sends the bytes and no more; resolves to the answer when the connection has ended. */
function exchange(bytes: Buffer, isCut: boolean): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(service.running.httpPort, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
    if (isCut) socket.write(bytes, () => socket.destroy());
    else socket.end(bytes);
  });
}
