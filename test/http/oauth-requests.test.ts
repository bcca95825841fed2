// What the OAuth endpoints take for a request: a form in the body, whole, in time, and said in one way only.

import { request } from 'node:http';
import { connect as connectHttp2, constants, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { selfSigned, type Certificate } from '../support/certificates.ts';
import { temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import { signToken } from '../support/forged-tokens.ts';
import {
  curl,
  FORM_TYPE,
  INTROSPECT,
  postBody,
  postForm,
  read,
  REVOKE,
  type HttpAnswer,
} from '../support/oauth-calls.ts';
import { bearer, startTestService, type TestService } from '../support/service.ts';

const captured = vi.hoisted(() => ({ lines: [] as string[] }));

vi.mock(import('../../src/telemetry/logger.ts'), async (importActual) => {
  const actual = await importActual();
  const destination = { write: (line: string) => void captured.lines.push(line) };
  return { ...actual, createLogger: (level) => actual.createLogger(level, destination) };
});

const MAX_BODY_BYTES = 65_536;
const VARIABLES = { ANONYMOUS_VALIDATION: 'true', MAX_CALL_TIME: '600ms', LOG_LEVEL: 'trace' };
const ENDPOINTS = [INTROSPECT, REVOKE];

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ variables: VARIABLES });
});
afterAll(() => service.stop());
beforeEach(() => {
  captured.lines.length = 0;
});

function expectRefused(answer: HttpAnswer, status: number): void {
  expect([answer.status, answer.json]).toMatchObject([status, { error: 'invalid_request' }]);
  expect(answer.json).toHaveProperty('error_description');
  expect(answer.headers.get('cache-control')).toBe('no-store');
}

/** A form that is `length` bytes long and asks about the token `x`. */
const formOf = (length: number) => `token=x&pad=${'a'.repeat(length - 'token=x&pad='.length)}`;

describe.each(ENDPOINTS)('%s', (path) => {
  it.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'])(
    'takes no %s, nor a token in the URL',
    async (method) => {
      const token = await signToken(service.app);
      const answer = await read(await fetch(`${service.httpUrl}${path}?token=${token}`, { method }));
      expect(answer.status).toBe(405);
      expect(answer.headers.get('allow')).toBe('POST');
      expect((await postForm(service, INTROSPECT, { token })).json).toMatchObject({ active: true });
      expect(captured.lines.join('')).not.toContain(token);
    },
  );

  it.each(['?token=x', '?token_type_hint=access_token', '?', '?a=b'])('takes no query: %s', async (query) => {
    expectRefused(await postForm(service, path + query, { token: 'x' }), 400);
    expectRefused(await postForm(service, path + query, {}), 400);
  });

  it.each([
    'application/json',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded-not',
    'application/x-www-form-urlencoded; charset=utf-16',
    'application/x-www-form-urlencoded; charset="us-ascii',
    'application/x-www-form-urlencoded, application/json',
    '',
  ])('takes no body of type %s', async (type) => {
    expectRefused(await postBody(service, path, 'token=x', { 'content-type': type }), 400);
  });

  it('takes a form with its charset in any case, and no type is no form', async () => {
    for (const type of [
      `${FORM_TYPE};charset=UTF-8`,
      `${FORM_TYPE} ; charset="utf-8"`,
      FORM_TYPE.toUpperCase(),
      `${FORM_TYPE}; charset=US-ASCII`,
      `${FORM_TYPE}; charset="ISO-8859-1"`,
    ])
      expect((await postBody(service, path, 'token=x', { 'content-type': type })).status).toBe(200);
    const none = await curl('-H', 'content-type:', '-d', 'token=x', service.httpUrl + path);
    expect([none.status, none.json]).toMatchObject([400, { error: 'invalid_request' }]);
  });

  it('takes nothing but ASCII by the label of an older charset', async () => {
    const type = { 'content-type': `${FORM_TYPE}; charset=iso-8859-1` };
    expectRefused(await postBody(service, path, 'token=x&note=\u00e9', type), 400);
  });

  it('takes nothing compressed', async () => {
    const zipped = new Uint8Array(gzipSync('token=x'));
    expectRefused(await postBody(service, path, zipped, { 'content-encoding': 'gzip' }), 415);
    expect((await postBody(service, path, 'token=x', { 'content-encoding': 'identity' })).status).toBe(200);
  });

  it.each([
    ['nothing', ''],
    ['no token', 'token_type_hint=access_token'],
    ['an empty token', 'token='],
    ['a token without value', 'token'],
    ['another spelling of the name', 'Token=x'],
    ['a name with a space', '+token=x'],
    ['a byte order mark', '\uFEFFtoken=x'],
    ['two tokens', 'token=x&token=y'],
    ['the same token twice', 'token=x&token=x'],
    ['an empty and a full one', 'token=&token=x'],
    ['two spellings of one name', 'token=x&%74oken=y'],
    ['two hints', 'token=x&token_type_hint=a&token_type_hint=b'],
    ['a broken escape', 'token=%zz'],
    ['a cut escape', 'token=%4'],
    ['a lone percent sign', 'token=%'],
    ['escapes that are no UTF-8', 'token=%ff'],
    ['an overlong escape', 'token=%c0%af'],
    ['half a surrogate pair', 'token=%ed%a0%80'],
    ['a broken escape in a name nobody knows', 'token=x&%zz=y'],
    ['JSON', '{"token":"x"}'],
  ])('refuses a form with %s', async (_what, body) => {
    expectRefused(await postBody(service, path, body), 400);
  });

  it('refuses bytes that are no UTF-8', async () => {
    expectRefused(await postBody(service, path, new Uint8Array([...Buffer.from('token='), 0xff])), 400);
  });

  it('reads 65536 bytes and not one more', async () => {
    expect((await postBody(service, path, formOf(MAX_BODY_BYTES))).status).toBe(200);
    expectRefused(await postBody(service, path, formOf(MAX_BODY_BYTES + 1)), 413);
  });

  it('rejects a body by its announced length alone', async () => {
    const [status, head] = await rawRequest(path, 'content-length: 1000000000000\r\n', 'token=');
    expect(status).toBe(413);
    expect(head).toMatch(/^connection: close$/im);
  });

  it('stops to read a body without end, and closes', async () => {
    const status = await new Promise<number | undefined>((resolve) => {
      const sent = request(service.httpUrl + path, {
        method: 'POST',
        headers: { 'content-type': FORM_TYPE },
      });
      const timer = setInterval(() => sent.write('a'.repeat(8_192)), 1);
      sent.on('close', () => clearInterval(timer));
      sent.on('error', () => undefined);
      sent.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
        sent.destroy();
      });
    });
    expect(status).toBe(413);
  });

  it('does not wait for a slow body, and serves others at the same time', async () => {
    const slow = rawRequest(path, 'content-length: 100\r\n', 'token=');
    expect((await postForm(service, path, { token: 'x' })).status).toBe(200);
    const [status, head] = await slow;
    expect(status).toBe(408);
    expect(head).toMatch(/^connection: close$/im);
  });

  it('outlives a caller who goes in the middle of the body', async () => {
    const socket = connect(service.running.httpPort, '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${FORM_TYPE}\r\ncontent-length: 9\r\n\r\nt`,
    );
    await new Promise<void>((resolve) => setImmediate(() => resolve()));
    socket.resetAndDestroy();
    await eventually(async () => captured.lines.some((line) => line.includes('CALL_CANCELLED')));
    expect((await postForm(service, path, { token: 'x' })).status).toBe(200);
  });

  it('logs refusals at info with their reason, and never a token', async () => {
    const token = await signToken(service.app);
    const headers = { 'x-request-id': 'request-9', ...bearer(token).headers };
    await postBody(service, path, `token=${token}&token=${token}`, headers);
    await postForm(service, path, { token }, headers);
    const lines = captured.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 30,
        msg: 'call refused',
        path,
        requestId: 'request-9',
        ip: '127.0.0.1',
        code: 'InvalidArgument',
        reason: 'VALIDATION_FAILED',
      }),
    );
    expect(lines).toContainEqual(expect.objectContaining({ level: 20, msg: 'call', path, code: 'OK' }));
    expect(captured.lines.join('')).not.toContain(token);
  });

  it('gives browsers of other origins nothing', async () => {
    const answer = await postForm(service, path, { token: 'x' }, { origin: 'https://evil.example' });
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });
});

it('what a plus and an escape stand for is what they stand for', async () => {
  const token = await signToken(service.app);
  const escaped = [...token].map((char) => `%${char.charCodeAt(0).toString(16)}`).join('');
  const active = await postBody(service, INTROSPECT, `&&%74%6F%6B%65%6E=${escaped}&`);
  expect(active.json).toMatchObject({ active: true });
  for (const other of [`${token}+`, `+${token}`, `${token}%00`, `${token}%3D`, `${token}=`, `%2520${token}`])
    expect((await postBody(service, INTROSPECT, `token=${other}`)).json).toEqual({ active: false });
});

it('gives up after the time for a call, and what it had begun is whole', async () => {
  const token = await signToken(service.app);
  const held = Promise.withResolvers<void>();
  // The embedded database runs one transaction at a time.
  const holder = service.app.transact(() => held.promise);
  try {
    const answer = await postForm(service, REVOKE, { token });
    expect([answer.status, answer.json]).toMatchObject([503, { error: 'temporarily_unavailable' }]);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(captured.lines.join('')).toContain('DEADLINE_EXCEEDED');
    expect((await postForm(service, INTROSPECT, { token })).json).toMatchObject({ active: true });
  } finally {
    held.resolve();
    await holder;
  }
  await eventually(async () => (await postForm(service, INTROSPECT, { token })).text === '{"active":false}');
});

/** Sends a head and the beginning of a body, and waits for the server to close: the status and the whole answer. */
function rawRequest(path: string, headers: string, body: string): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const socket = connect(service.running.httpPort, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('close', () => resolve([Number(answer.split(' ')[1]), answer]));
    socket.on('error', reject);
    socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${FORM_TYPE}\r\n${headers}\r\n${body}`);
  });
}

describe('over HTTP/2', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let certificate: Certificate;
  let secure: TestService;
  beforeAll(async () => {
    folder = await temporaryFolder();
    certificate = selfSigned(folder.path, 'server');
    const { certFile: TLS_CERT_FILE, keyFile: TLS_KEY_FILE } = certificate;
    secure = await startTestService({ variables: { ...VARIABLES, TLS_CERT_FILE, TLS_KEY_FILE } });
  });
  afterAll(async () => {
    await secure.stop();
    await folder.remove();
  });

  type Ended = { readonly status: number | undefined; readonly json: unknown; readonly code: number };

  /** The answer to what `send` writes, when the stream has closed. */
  async function exchange(
    headers: Record<string, string | string[]>,
    send: (stream: ReturnType<ReturnType<typeof connectHttp2>['request']>) => void,
  ): Promise<Ended> {
    const session = connectHttp2(`https://127.0.0.1:${secure.running.httpPort}`, { ca: certificate.cert });
    try {
      return await new Promise<Ended>((resolve, reject) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': INTROSPECT,
          'content-type': FORM_TYPE,
          ...headers,
        });
        let status: number | undefined;
        let text = '';
        stream.on('response', (head: IncomingHttpHeaders) => {
          status = Number(head[':status']);
        });
        stream.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        stream.on('error', (error) => {
          if (status === undefined) reject(error);
        });
        stream.on('close', () =>
          resolve({ status, json: text === '' ? undefined : JSON.parse(text), code: stream.rstCode }),
        );
        send(stream);
      });
    } finally {
      session.destroy();
    }
  }

  it('answers a form', async () => {
    const token = await signToken(secure.app);
    const { status, json } = await exchange({}, (stream) => stream.end(`token=${token}`));
    expect([status, json]).toMatchObject([200, { active: true }]);
    const revoked = await exchange({ ':path': REVOKE }, (stream) => stream.end(`token=${token}`));
    expect([revoked.status, revoked.json]).toEqual([200, undefined]);
    const after = await exchange({}, (stream) => stream.end(`token=${token}`));
    expect(after.json).toEqual({ active: false });
  });

  it('refuses a body without end, and ends the stream', async () => {
    const { status } = await exchange({}, (stream) => {
      const timer = setInterval(() => stream.write('a'.repeat(8_192)), 1);
      stream.on('close', () => clearInterval(timer));
    });
    expect(status).toBe(413);
  });

  it('does not wait for a slow body, and ends the stream', async () => {
    const { status } = await exchange({}, (stream) => void stream.write('token='));
    expect(status).toBe(408);
  });

  it('outlives a caller who resets the stream at any point', async () => {
    for (const begin of ['', 'token=', 'token=x'])
      await exchange({}, (stream) => {
        stream.write(begin);
        setImmediate(() => stream.close(constants.NGHTTP2_CANCEL));
      }).catch(() => undefined);
    await exchange({}, (stream) => {
      stream.end('token=x');
      stream.close(constants.NGHTTP2_CANCEL);
    }).catch(() => undefined);
    const { status } = await exchange({}, (stream) => stream.end('token=x'));
    expect(status).toBe(200);
  });
});
