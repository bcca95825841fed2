// What the HTTP port answers beside RPCs: liveness, readiness, the key set, and the headers that keep browsers in line.

import { Agent, request } from 'node:http';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { bearer, signUp, startTestService, type TestService } from '../support/service.ts';

const ORIGIN = 'https://app.example.com';
const PATHS = [
  '/healthz',
  '/readyz',
  '/.well-known/jwks.json',
  '/no-such-path',
  '/latchkey.v1.AuthService/GetJwks',
];
const LOGIN = '/latchkey.v1.AuthService/Login';

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ variables: { ALLOWED_ORIGINS: `${ORIGIN},https://b.example.com` } });
});
afterAll(() => service.stop());

/** The status of the answer to a GET, or, with a body, to a POST. */
function statusBy(agent: Agent, path: string, body?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const headers = { 'content-type': 'application/json' };
    const sent = request(service.httpUrl + path, { agent, method, headers }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode));
    });
    sent.on('error', reject).end(body);
  });
}

it.each([LOGIN, '/oauth2/introspect', '/no-such-path'])(
  'a request to %s that is too large does not hold up the next one on its connection',
  async (path) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const tooLarge = JSON.stringify({ identifier: 'x'.repeat(5_000_000) });
    expect(await statusBy(agent, path, tooLarge)).toBeGreaterThanOrEqual(400);
    expect(await statusBy(agent, '/healthz')).toBe(200);
    agent.destroy();
  },
);

const get = (path: string, init: RequestInit = {}) => fetch(service.httpUrl + path, init);

function preflight(origin: string, path = LOGIN) {
  return get(path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,authorization',
    },
  });
}

function corsHeaders(response: Response): string[] {
  return [...response.headers.keys()].filter((name) => name.startsWith('access-control-'));
}

describe('cross-origin rules', () => {
  it('an allowed origin is named exactly, and may send what clients send', async () => {
    const response = await preflight(ORIGIN);
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(response.headers.get('access-control-allow-methods')).toContain('POST');
    for (const name of [
      'authorization',
      'content-type',
      'connect-protocol-version',
      'x-grpc-web',
      'x-api-key',
    ])
      expect(response.headers.get('access-control-allow-headers')?.toLowerCase().split(', ')).toContain(name);
    const call = await get('/healthz', { headers: { origin: ORIGIN } });
    expect(call.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const exposed = call.headers.get('access-control-expose-headers')?.toLowerCase();
    for (const name of ['x-request-id', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'])
      expect(exposed).toContain(name);
  });

  it.each([
    'https://evil.example',
    'https://app.example.com.evil.example',
    'https://evil-app.example.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://APP.example.com',
    'https://app.example.com/',
    'null',
    '*',
  ])('%s is no allowed origin, and is not reflected', async (origin) => {
    expect(corsHeaders(await preflight(origin))).toEqual([]);
    expect(corsHeaders(await get('/healthz', { headers: { origin } }))).toEqual([]);
    const call = await get(LOGIN, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(corsHeaders(call)).toEqual([]);
  });

  it('credentials are allowed beside the name of an allowed origin alone, and every answer varies by origin', async () => {
    for (const path of PATHS) {
      for (const method of ['GET', 'OPTIONS']) {
        const { headers } = await get(path, { method, headers: { origin: ORIGIN } });
        const named = headers.get('access-control-allow-origin');
        expect(named).toBeOneOf(path.endsWith('jwks.json') ? [ORIGIN, '*'] : [ORIGIN]);
        expect(headers.get('access-control-allow-credentials')).toBe(named === ORIGIN ? 'true' : null);
        expect(headers.get('vary')?.toLowerCase()).toContain('origin');
        const { headers: bare } = await get(path, { method });
        expect(bare.has('access-control-allow-credentials')).toBe(false);
        expect(bare.get('vary')?.toLowerCase()).toContain('origin');
      }
    }
  });
});

describe('every answer', () => {
  it.each(PATHS)('carries the security headers: %s', async (path) => {
    const { headers } = await get(path);
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'permissions-policy': expect.stringContaining('camera=()') as string,
    });
    expect(headers.has('strict-transport-security')).toBe(false);
    expect(headers.has('x-powered-by')).toBe(false);
  });

  it('of an RPC is not to be stored, good or bad, and carries the request id', async () => {
    const tokens = await signUp(service, 'stored');
    const post = (method: string, headers: Record<string, string>) =>
      get(`/latchkey.v1.${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-request-id': 'request-1', ...headers },
        body: '{}',
      });
    const good = await post('UserService/GetMe', { ...bearer(tokens.accessToken).headers });
    const bad = await post('UserService/GetMe', {});
    const invalid = await post('AuthService/Login', {});
    expect([good.status, bad.status, invalid.status]).toEqual([200, 401, 400]);
    for (const { headers } of [good, bad, invalid]) {
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-request-id')).toBe('request-1');
    }
  });
});

describe('routes', () => {
  it('answer 404 for what is not there and 405 for another method', async () => {
    for (const path of [
      '/',
      '/no-such-path',
      '/healthz/',
      '/../healthz/x',
      '/latchkey.v1.AuthService/NoSuchMethod',
    ])
      expect((await get(path)).status).toBe(404);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const response = await get('/healthz', { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
    }
    expect((await get('/healthz?x=y')).status).toBe(200);
    const head = await get('/healthz', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('healthz says alive, readyz what it depends on', async () => {
    expect(await (await get('/healthz')).json()).toEqual({ status: 'alive' });
    const ready = await get('/readyz');
    expect(ready.status).toBe(200);
    expect(ready.headers.get('cache-control')).toBe('no-store');
    expect(await ready.json()).toEqual({
      status: 'ready',
      checks: { database: 'up', redis: 'embedded', revocations: 'fresh', clock: 'right' },
    });
  });

  it('the key set verifies a token, holds no private half, and any origin may read it', async () => {
    const response = await get('/.well-known/jwks.json');
    expect(response.headers.get('content-type')).toBe('application/jwk-set+json');
    expect(response.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    const jwks = (await response.json()) as JSONWebKeySet;
    for (const key of jwks.keys) expect(Object.keys(key)).not.toContain('d');

    const { accessToken } = await signUp(service, 'jwks');
    const { payload, protectedHeader } = await jwtVerify(accessToken, createLocalJWKSet(jwks), {
      issuer: 'http://latchkey.test',
      audience: 'latchkey',
      typ: 'at+jwt',
      algorithms: ['ES256'],
    });
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: jwks.keys[0]?.kid });
    expect(payload['scope']).toBe('account:read account:write');
    const rpc = await service.auth('connect').getJwks({});
    expect(JSON.parse(rpc.jwksJson)).toEqual(jwks);
  });
});

it('readyz reports that the database is gone while validation goes on, healthz goes on', async () => {
  const lonely = await startTestService();
  try {
    await lonely.app.database.close();
    // The service notices at its next look at the database.
    const ready = await eventually(async () => {
      const answer = await fetch(`${lonely.httpUrl}/readyz`);
      const body: unknown = await answer.json();
      return (body as { status: string }).status === 'degraded' && { code: answer.status, body };
    });
    expect(ready).toMatchObject({ code: 200, body: { checks: { database: 'down', revocations: 'fresh' } } });
    expect((await fetch(`${lonely.httpUrl}/healthz`)).status).toBe(200);
  } finally {
    await lonely.running.stop();
  }
});
