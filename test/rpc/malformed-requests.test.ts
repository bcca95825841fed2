// Breaks the form of requests over Connect and gRPC-Web: envelopes, queries and timeouts. Each is refused with the rule and a request id.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.ts';

const LOGIN = '/latchkey.v1.AuthService/Login';
const JWKS = '/latchkey.v1.AuthService/GetJwks';
const GRPC_WEB = 'application/grpc-web+proto';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

async function ask(path: string, init: RequestInit = {}) {
  const response = await fetch(service.httpUrl + path, init);
  const text = unescaped(await response.text());
  return { status: response.status, requestId: response.headers.get('x-request-id'), text };
}

// Status messages are percent-encoded.
function unescaped(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_match, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

const post = (
  path: string,
  type: string,
  body: Uint8Array<ArrayBuffer> | string,
  headers: Record<string, string> = {},
) => ask(path, { method: 'POST', headers: { 'content-type': type, ...headers }, body });

describe('a frame of gRPC-Web', () => {
  it.each<[string, readonly number[], RegExp]>([
    ['compressed without an encoding', [1, 0, 0, 0, 1, 9], /marked as compressed/],
    ['with unknown flags', [4, 0, 0, 0, 0], /flags \(4\)/],
    ['of trailers', [0x80, 0, 0, 0, 0], /flags \(128\)/],
    ['shorter than a header', [0, 0], /middle of a message/],
    ['shorter than it says', [0, 0, 0, 0, 9, 1], /middle of a message/],
    ['followed by another', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], /more than the one message/],
    ['that is not there', [], /no message/],
  ])('%s is refused', async (_what, bytes, rule) => {
    const answer = await post(LOGIN, GRPC_WEB, Buffer.from(bytes));
    expect(answer.text).toMatch(rule);
    expect(answer.text).toMatch(/grpc-status: 3\r\n/);
    expect(answer.requestId).not.toBeNull();
  });
});

describe('a GET of Connect', () => {
  it.each([
    'encoding=json&message=%7B',
    'encoding=proto&base64=1&message=!!!',
    'encoding=proto&base64=1&message=CgVh',
  ])('that does not decode is refused: %s', async (query) => {
    const { status, requestId, text } = await ask(`${JWKS}?connect=v1&${query}`);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ code: 'invalid_argument' });
    expect(text).toContain('VALIDATION_FAILED');
    expect(requestId).not.toBeNull();
  });

  it.each(['encoding=json&message=%7B%7D', 'encoding=proto&base64=1&message=', 'encoding=proto'])(
    'that decodes is answered: %s',
    async (query) => {
      expect((await ask(`${JWKS}?connect=v1&${query}`)).status).toBe(200);
    },
  );
});

describe('a timeout', () => {
  it.each(['x', '-1', '1.5', '', '99999999999'])('of "%s" ms is refused', async (timeout) => {
    const answer = await post(LOGIN, 'application/json', '{}', { 'connect-timeout-ms': timeout });
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([400, { code: 'invalid_argument' }]);
    expect(answer.text).toMatch(/connect-timeout-ms must be/);
    expect(answer.requestId).not.toBeNull();
  });

  it.each(['x', '1', '1X', '999999999S'])('of "%s" in gRPC-Web is refused', async (timeout) => {
    const answer = await post(LOGIN, GRPC_WEB, Buffer.alloc(5), { 'grpc-timeout': timeout });
    expect(answer.text).toMatch(/grpc-timeout must be/);
    expect(answer.text).toMatch(/grpc-status: 3\r\n/);
  });

  it('that is longer than any call is none', async () => {
    const answer = await post(LOGIN, 'application/json', '{}', { 'connect-timeout-ms': '9999999999' });
    expect(answer.text).toContain('identifier: is required');
    const web = await post(LOGIN, GRPC_WEB, Buffer.alloc(5), { 'grpc-timeout': '99999999H' });
    expect(web.text).toContain('identifier: is required');
  });
});
