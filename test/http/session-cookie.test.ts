// The session cookie under requests that other sites can make: every method, content type and origin, sent as they stand.

import { once } from 'node:events';
import { connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser, PAGE_ORIGIN, signInByCookie } from '../support/browser.ts';
import { selfSigned } from '../support/certificates.ts';
import { temporaryFolder } from '../support/child-service.ts';
import { openCookieSession } from '../support/forged-tokens.ts';
import { INTROSPECT, postForm, REVOKE } from '../support/oauth-calls.ts';
import { frame } from '../support/raw-calls.ts';
import { GOOD_PASSWORD, signUp, startTestService, type TestService } from '../support/service.ts';

const GET_ME = '/latchkey.v1.UserService/GetMe';
const LOGOUT = '/latchkey.v1.AuthService/Logout';
const LOGIN = '/latchkey.v1.AuthService/Login';

const GOOD_TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'Application/JSON',
  'application/proto',
  'application/grpc-web',
  'application/grpc-web+proto',
  'application/grpc-web+json',
] as const;
/** What a form, a beacon or a fetch without a preflight can send, and what tries to pass for more. */
const OTHER_TYPES = [
  'text/plain',
  'text/plain;charset=UTF-8',
  'text/plain; application/json',
  'text/plain;a=application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=application/json',
  'text/plain, application/json',
  'application/jsonx',
  'application/json-seq',
  'application/connect+json',
  'application/grpc',
  'application/octet-stream',
  '',
] as const;
const ORIGINS = [PAGE_ORIGIN, 'https://evil.example', 'null', undefined] as const;
const METHODS = ['POST', 'GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'] as const;

let service: TestService;
let cookie: string;
beforeAll(async () => {
  service = await startTestService({ variables: { ALLOWED_ORIGINS: PAGE_ORIGIN } });
  await signUp(service, 'ada');
  const browser = openBrowser(service);
  await signInByCookie(browser, 'ada');
  cookie = browser.cookie ?? '';
});
afterAll(() => service.stop());

function bodyFor(contentType: string, json: object): Uint8Array<ArrayBuffer> {
  const text = contentType.toLowerCase().includes('json') ? JSON.stringify(json) : '';
  return new Uint8Array(
    contentType.toLowerCase().includes('grpc-web') ? frame(Buffer.from(text)) : Buffer.from(text),
  );
}

function send(
  path: string,
  contentType: string,
  change: { readonly method?: string; readonly origin?: string | undefined; readonly json?: object },
) {
  const { method = 'POST', origin, json = {} } = change;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return fetch(service.httpUrl + path, {
    method,
    redirect: 'error',
    headers: {
      cookie: `__Host-latchkey=${cookie}`,
      ...(contentType === '' ? {} : { 'content-type': contentType }),
      ...(origin === undefined ? {} : { origin }),
    },
    ...(hasBody ? { body: bodyFor(contentType, json) } : {}),
  });
}

/** Whether the answer tells of the account. */
const mentionsAda = async (response: Response) =>
  Buffer.from(await response.arrayBuffer()).includes('ada@example.com');

describe('a request with the cookie', () => {
  it.each(GOOD_TYPES)('counts as %s from an allowed origin, and from no other', async (type) => {
    for (const origin of ORIGINS) {
      const response = await send(GET_ME, type, { origin });
      expect(await mentionsAda(response)).toBe(origin === PAGE_ORIGIN);
      expect(response.headers.get('cache-control')).toBe('no-store');
      const mayRead = response.headers.get('access-control-allow-credentials');
      expect(mayRead).toBe(origin === PAGE_ORIGIN ? 'true' : null);
    }
  });

  it.each(OTHER_TYPES)('counts for nothing as %j, from any sender', async (type) => {
    for (const origin of ORIGINS) {
      for (const path of [GET_ME, LOGOUT]) {
        const response = await send(path, type, { origin });
        expect(response.status).not.toBe(200);
        expect(response.headers.has('set-cookie')).toBe(false);
        expect(await mentionsAda(response)).toBe(false);
      }
    }
    expect(await mentionsAda(await send(GET_ME, 'application/json', { origin: PAGE_ORIGIN }))).toBe(true);
  });

  it.each(METHODS)('by %s', async (method) => {
    for (const type of [...GOOD_TYPES, 'text/plain', '']) {
      for (const query of ['', '?connect=v1&encoding=json&message=%7B%7D']) {
        const response = await send(GET_ME + query, type, { method, origin: PAGE_ORIGIN });
        const isCall = method === 'POST' && !['text/plain', ''].includes(type);
        expect([type, query, await mentionsAda(response)]).toEqual([type, query, isCall]);
      }
    }
  });

  it('is not what GetJwks by GET answers to', async () => {
    const path = '/latchkey.v1.AuthService/GetJwks?connect=v1&encoding=json&message=%7B%7D';
    const response = await send(path, '', { method: 'GET', origin: PAGE_ORIGIN });
    expect(response.status).toBe(200);
    expect(response.headers.has('set-cookie')).toBe(false);
  });

  it('is no credential of the OAuth endpoints', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'application/json'])
      expect((await send('/oauth2/introspect', type, { origin: PAGE_ORIGIN })).status).toBe(401);
  });
});

describe('the value of a cookie', () => {
  it('is introspected as what it is, and revoked by who holds it', async () => {
    const browser = openBrowser(service);
    const { sessionId } = await signInByCookie(browser, 'ada', ['account:read']);
    const token = browser.cookie ?? '';
    const caller = { 'x-api-key': service.secrets?.gatewayApiKey ?? '' };
    const introspect = async () => (await postForm(service, INTROSPECT, { token }, caller)).json;
    const active = await introspect();
    expect(active).toMatchObject({ active: true, scope: 'account:read', sid: sessionId, amr: ['pwd'] });
    expect(active).not.toHaveProperty('token_type');
    expect((await postForm(service, REVOKE, { token })).status).toBe(200);
    expect(await introspect()).toEqual({ active: false });
    await expect(browser.user.getMe({})).rejects.toThrow('revoked');
  });
});

it('is found among others over HTTP/2, where browsers send each as a header of its own', async () => {
  const folder = await temporaryFolder();
  const certificate = selfSigned(folder.path, 'server');
  const variables = {
    ALLOWED_ORIGINS: PAGE_ORIGIN,
    TLS_CERT_FILE: certificate.certFile,
    TLS_KEY_FILE: certificate.keyFile,
  };
  const secure = await startTestService({ variables });
  const connection = connect(`https://127.0.0.1:${secure.running.httpPort}`, { ca: certificate.cert });
  try {
    const value = await openCookieSession(secure.app);
    const call = async (origin: string) => {
      const stream = connection.request({
        ':method': 'POST',
        ':path': GET_ME,
        origin,
        'content-type': 'application/json',
        cookie: ['theme=dark', `__Host-latchkey=${value}`, 'last=1'],
      });
      stream.end('{}');
      const [headers] = (await once(stream, 'response')) as [Record<string, string | number>];
      stream.resume();
      return headers[':status'];
    };
    expect(await call(PAGE_ORIGIN)).toBe(200);
    expect(await call('https://evil.example')).toBe(401);
  } finally {
    connection.destroy();
    await secure.stop();
    await folder.remove();
  }
});

describe('a login that asks for a cookie', () => {
  const json = { identifier: 'ada', password: GOOD_PASSWORD, useCookie: true };

  it.each(['application/json', 'Application/JSON; charset=utf-8', 'application/grpc-web+json'])(
    'gets it as %s from an allowed origin alone (login CSRF)',
    async (type) => {
      for (const origin of ORIGINS) {
        const response = await send(LOGIN, type, { origin, json });
        expect([origin, response.headers.getSetCookie()]).toEqual([
          origin,
          origin === PAGE_ORIGIN
            ? [
                expect.stringMatching(/^__Host-latchkey=lksc_/),
                expect.stringMatching(/^__Host-latchkey-device=lkdt_/),
              ]
            : [],
        ]);
      }
    },
  );

  it.each(OTHER_TYPES)('gets none as %j', async (type) => {
    const response = await send(LOGIN, type, { origin: PAGE_ORIGIN, json });
    expect(response.headers.has('set-cookie')).toBe(false);
  });

  it('sets what browsers hold to this host, out of reach of scripts and of other sites', async () => {
    const response = await send(LOGIN, 'application/json', { origin: PAGE_ORIGIN, json });
    const [line = ''] = response.headers.getSetCookie();
    const attributes = line.split('; ').slice(1).toSorted();
    expect(attributes).toEqual([
      'HttpOnly',
      // 30 days, less what the login took.
      expect.stringMatching(/^Max-Age=(?:2592000|25919\d\d)$/),
      'Path=/',
      'SameSite=Strict',
      'Secure',
    ]);
    const text = await response.text();
    expect(text).not.toContain('lksc_');
    expect(Object.keys((JSON.parse(text) as { tokens: object }).tokens).toSorted()).toEqual([
      'expiresIn',
      'scopes',
      'sessionId',
    ]);
  });

  it('does without a cookie and without an origin otherwise', async () => {
    const { useCookie: _asked, ...plain } = json;
    const response = await send(LOGIN, 'application/json', { json: plain });
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(await response.text()).toContain('lkrt_');
  });
});
