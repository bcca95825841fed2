// What the Connect protocol says of unary calls, request by request, and through the clients of its authors.
// https://connectrpc.com/docs/protocol/

import { connect } from 'node:net';
import { fromBinary, toBinary, create } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import {
  AuthService,
  GetJwksRequestSchema,
  GetJwksResponseSchema,
} from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import { bearer, signUp, startTestService, type TestService } from '../support/service.ts';

const JWKS = '/latchkey.v1.AuthService/GetJwks';
const LOGIN = '/latchkey.v1.AuthService/Login';
const GET_ME = '/latchkey.v1.UserService/GetMe';
const JSON_TYPE = { 'content-type': 'application/json' };
/** The largest message of a method that takes small ones. */
const SMALL_MESSAGE_BYTES = 131_072;

let service: TestService;
let token: string;
beforeAll(async () => {
  service = await startTestService();
  token = (await signUp(service, 'connect')).accessToken;
});
afterAll(() => service.stop());

const ask = (path: string, init?: RequestInit) => fetch(service.httpUrl + path, init);
const post = (
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = JSON_TYPE,
) => ask(path, { method: 'POST', body, headers });

describe('a request', () => {
  it.each([
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'application/json ;x=y',
  ])('of the type %s is JSON', async (type) => {
    const response = await post(JWKS, '{}', { 'content-type': type });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toHaveProperty('keys');
  });

  it('of the type application/proto is answered in kind', async () => {
    const bytes = new Uint8Array(toBinary(GetJwksRequestSchema, create(GetJwksRequestSchema)));
    const response = await post(JWKS, bytes, { 'content-type': 'application/proto' });
    expect(response.headers.get('content-type')).toBe('application/proto');
    const answer = fromBinary(GetJwksResponseSchema, new Uint8Array(await response.arrayBuffer()));
    expect(answer.keys.length).toBeGreaterThan(0);
  });

  it.each(['', 'text/plain', 'application/jsonx', 'application/x-protobuf', 'application/connect+json'])(
    'of the type "%s" is answered by 415 and the types that are taken',
    async (type) => {
      const response = await post(JWKS, '{}', { 'content-type': type });
      expect(response.status).toBe(415);
      expect(response.headers.get('accept-post')).toContain('application/json');
    },
  );

  it.each(['PUT', 'DELETE', 'PATCH', 'HEAD'])(
    'by %s is answered by 405 and what is allowed',
    async (method) => {
      const free = await ask(JWKS, { method });
      expect([free.status, free.headers.get('allow')]).toEqual([405, 'GET, POST']);
      const other = await ask(LOGIN, { method });
      expect([other.status, other.headers.get('allow')]).toEqual([405, 'POST']);
    },
  );

  it('by GET is for what has no side effects alone', async () => {
    expect((await ask(`${LOGIN}?connect=v1&encoding=json&message=%7B%7D`)).status).toBe(405);
    expect((await ask(`${JWKS}?connect=v1&encoding=json&message=%7B%7D`)).status).toBe(200);
    expect((await ask(`${JWKS}?connect=v1&message=%7B%7D`)).status).toBe(415);
    expect((await ask(`${JWKS}?connect=v1&encoding=yaml&message=`)).status).toBe(415);
  });

  it('by GET shows no cookie', async () => {
    const response = await ask(`${JWKS}?connect=v1&encoding=json&message=%7B%7D`);
    expect(response.headers.get('set-cookie')).toBeNull();
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it.each(['gzip', 'br', 'zstd', 'nonsense'])('compressed by %s is UNIMPLEMENTED', async (encoding) => {
    const response = await post(LOGIN, '{}', { ...JSON_TYPE, 'content-encoding': encoding });
    expect([response.status, await response.json()]).toMatchObject([501, { code: 'unimplemented' }]);
    const asked = await ask(`${JWKS}?connect=v1&encoding=json&message=%7B%7D&compression=${encoding}`);
    expect([asked.status, await asked.json()]).toMatchObject([501, { code: 'unimplemented' }]);
  });

  it('takes unknown fields, another version of the protocol, and what asks for compression', async () => {
    const headers = { ...JSON_TYPE, 'connect-protocol-version': '1', 'accept-encoding': 'gzip, br' };
    const response = await post(JWKS, '{"noSuchField":[1,{"a":null}]}', headers);
    expect([response.status, response.headers.get('content-encoding')]).toEqual([200, null]);
  });

  it('may be as large as its method takes, and no byte larger', async () => {
    const sized = (length: number) => `{"pad":"${'a'.repeat(length - '{"pad":""}'.length)}"}`;
    expect((await post(JWKS, sized(SMALL_MESSAGE_BYTES))).status).toBe(200);
    const response = await post(JWKS, sized(SMALL_MESSAGE_BYTES + 1));
    expect([response.status, await response.json()]).toMatchObject([429, { code: 'resource_exhausted' }]);
    expect(response.headers.get('x-request-id')).not.toBeNull();
  });

  it('that announces too much is answered before it has come, and its connection is closed', async () => {
    const [head, body] = await rawRequest(
      `POST ${JWKS} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n{`,
    );
    expect(head).toMatch(/^HTTP\/1\.1 429 /);
    expect(head).toMatch(/^connection: close$/im);
    expect(JSON.parse(body)).toMatchObject({ code: 'resource_exhausted' });
  });

  it('by a target with scheme and authority is the same request', async () => {
    const head = `POST http://other.example${JWKS} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n`;
    const [answer] = await rawRequest(`${head}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('whose deadline has passed is not answered, though the answer would be there at once', async () => {
    const response = await post(JWKS, '{}', { ...JSON_TYPE, 'connect-timeout-ms': '0' });
    expect([response.status, await response.json()]).toMatchObject([504, { code: 'deadline_exceeded' }]);
  });

  it('without a body is refused and keeps its connection', async () => {
    const bad = `GET ${JWKS}?connect=v1&encoding=json&message=%7B HTTP/1.1\r\nhost: a\r\n`;
    const text = await rawText(`${bad}\r\n${bad}connection: close\r\n\r\n`);
    expect(text.match(/HTTP\/1\.1 400 /g)).toHaveLength(2);
  });

  it('in chunks, byte by byte, is the same request', async () => {
    const chunks = '{"a":1}'
      .split('')
      .map((byte) => `1\r\n${byte}\r\n`)
      .join('');
    const [head] = await rawRequest(
      `POST ${JWKS} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
    );
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('is one of many on a connection, each answered in its order', async () => {
    const one = (id: string) =>
      `POST ${JWKS} HTTP/1.1\r\nhost: a\r\nx-request-id: ${id}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
    const last = one('c').replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n');
    const text = await rawText(one('a') + one('b') + last);
    expect([...text.matchAll(/x-request-id: (\w)/gi)].map(([, id]) => id)).toEqual(['a', 'b', 'c']);
  });
});

describe('an error', () => {
  it.each([
    [LOGIN, '{', {}, 400, 'invalid_argument', 'VALIDATION_FAILED'],
    [LOGIN, '{"identifier":1}', {}, 400, 'invalid_argument', 'VALIDATION_FAILED'],
    [
      LOGIN,
      '{"identifier":"nobody","password":"Wrong-Horse-42"}',
      {},
      401,
      'unauthenticated',
      'INVALID_CREDENTIALS',
    ],
    [GET_ME, '{}', {}, 401, 'unauthenticated', 'TOKEN_MISSING'],
    [GET_ME, '{}', { authorization: 'Bearer x' }, 401, 'unauthenticated', 'TOKEN_INVALID'],
    ['/latchkey.v1.AdminService/ListRoles', '{}', 'token', 403, 'permission_denied', 'INSUFFICIENT_SCOPE'],
  ] as const)(
    'of %s with %s has its status, its code and its details',
    async (path, body, credential, status, code, reason) => {
      const headers = credential === 'token' ? bearer(token).headers : credential;
      const response = await post(path, body, { ...JSON_TYPE, 'x-request-id': 'error-1', ...headers });
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(response.headers.get('x-request-id')).toBe('error-1');
      const error = (await response.json()) as { details: Array<{ type: string; value: string }> };
      expect(error).toMatchObject({ code });
      const [info] = error.details;
      expect(info?.type).toBe('google.rpc.ErrorInfo');
      expect(info?.value).not.toMatch(/=$/);
      expect(fromBinary(ErrorInfoSchema, base64Decode(info?.value ?? ''))).toMatchObject({ reason });
    },
  );

  it('answers in JSON to a request in binary', async () => {
    const response = await post(GET_ME, new Uint8Array(), { 'content-type': 'application/proto' });
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toMatchObject({ code: 'unauthenticated' });
  });

  it('of a path that is no method is 404', async () => {
    expect((await post('/latchkey.v1.AuthService/NoSuchMethod', '{}')).status).toBe(404);
    expect((await post(`${JWKS}/`, '{}')).status).toBe(404);
    expect((await post('/constructor', '{}')).status).toBe(404);
  });
});

describe('connect-web', () => {
  const transport = (useBinaryFormat: boolean, useHttpGet = false) =>
    createConnectTransport({ baseUrl: service.httpUrl, useBinaryFormat, useHttpGet });

  it.each([true, false])('is answered (binary: %s)', async (isBinary) => {
    const client = createClient(UserService, transport(isBinary));
    expect((await client.getMe({}, bearer(token))).user).toMatchObject({ username: 'connect' });
    expect((await createClient(AuthService, transport(isBinary, true)).getJwks({})).keys).not.toEqual([]);
  });

  it.each([true, false])('reads errors with their details and headers (binary: %s)', async (isBinary) => {
    const client = createClient(AuthService, transport(isBinary));
    const error = ConnectError.from(
      await client.register({ email: 'x' }).then(
        () => undefined,
        (reason: unknown) => reason,
      ),
    );
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'VALIDATION_FAILED' }]);
    expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field)).toContain(
      'email',
    );
    expect(error.findDetails(RetryInfoSchema)).toEqual([]);
    expect(error.metadata.get('x-request-id')).not.toBeNull();
  });

  it('may cut a call short, and the next one is answered', async () => {
    const client = createClient(UserService, transport(false));
    const cut = client.getMe({}, { ...bearer(token), signal: AbortSignal.abort() });
    await expect(cut).rejects.toThrow('canceled');
    expect((await client.getMe({}, bearer(token))).user).toBeDefined();
  });
});

/** Sends a text, and resolves to head and body of the answer when the server has closed. */
async function rawRequest(text: string): Promise<readonly [head: string, body: string]> {
  const answer = await rawText(text);
  const end = answer.indexOf('\r\n\r\n');
  return [answer.slice(0, end), answer.slice(end + 4)];
}

function rawText(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(service.running.httpPort, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    socket.write(text);
  });
}
