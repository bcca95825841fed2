// RFC 8414: what a client learns of this server, and that it is true.

import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { BUILT_IN_ROLES } from '../../src/domain/access/role.ts';
import { curl, postForm, read } from '../support/oauth-calls.ts';
import { bearer, signUp, startTestService, type TestService } from '../support/service.ts';

const PATH = '/.well-known/oauth-authorization-server';
const Document = z.record(z.string(), z.unknown());

const fetchFrom = async (service: TestService, path = PATH, init: RequestInit = {}) =>
  read(await fetch(service.httpUrl + path, init));

describe('the document', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({ variables: { PUBLIC_URL: 'https://id.example.com/' } });
  });
  afterAll(() => service.stop());

  it('says what is there and nothing that is not', async () => {
    const { status, json } = await fetchFrom(service);
    expect(status).toBe(200);
    expect(json).toEqual({
      issuer: 'http://latchkey.test',
      jwks_uri: 'https://id.example.com/.well-known/jwks.json',
      scopes_supported: expect.arrayContaining(['account:read', 'tokens:validate', 'roles:write']) as unknown,
      introspection_endpoint: 'https://id.example.com/oauth2/introspect',
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'Bearer'],
      revocation_endpoint: 'https://id.example.com/oauth2/revoke',
      revocation_endpoint_auth_methods_supported: ['none'],
    });
    const scopes = z.array(z.string()).parse(Document.parse(json)['scopes_supported']);
    const granted = BUILT_IN_ROLES.map(({ name }) => [...service.app.roleDirectory.grantedBy(name)]).flat();
    expect(scopes.toSorted()).toEqual([...new Set(granted)].toSorted());
  });

  it('may be kept by any cache and read by any origin', async () => {
    const { headers } = await fetchFrom(service, PATH, { headers: { origin: 'https://any.example' } });
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('access-control-allow-credentials')).toBeNull();
    const head = await fetchFrom(service, PATH, { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
    expect((await fetchFrom(service, PATH, { method: 'POST' })).status).toBe(405);
  });

  it('does not listen to the Host header, nor to what proxies forward of it', async () => {
    const told = await curl(
      '-Hhost: evil.example',
      '-Hx-forwarded-host: evil.example',
      '-Hforwarded: host=evil.example',
      service.httpUrl + PATH,
    );
    expect(told.json).toEqual((await fetchFrom(service)).json);
    expect(JSON.stringify(told.json)).not.toContain('evil');
  });

  it('is no OpenID configuration, and stands behind no path that the issuer lacks', async () => {
    for (const path of ['/.well-known/openid-configuration', `${PATH}/`, `${PATH}/tenant`])
      expect((await fetchFrom(service, path)).status).toBe(404);
  });
});

it('every endpoint named answers, with open validation too, and so does an issuer with a path', async () => {
  // The port is not known before the start: PUBLIC_URL is what the document builds on, and the test takes it off again.
  const publicUrl = 'https://id.example.com/auth';
  const service = await startTestService({
    variables: { PUBLIC_URL: publicUrl, ISSUER: `${publicUrl}/`, ANONYMOUS_VALIDATION: 'true' },
  });
  try {
    const document = Document.parse((await fetchFrom(service, `${PATH}/auth`)).json);
    expect((await fetchFrom(service)).json).toEqual(document);
    expect((await fetchFrom(service, `${PATH}/auth/`)).status).toBe(404);
    expect(document['issuer']).toBe(publicUrl);
    expect(document['introspection_endpoint_auth_methods_supported']).toContain('none');
    const pathOf = (member: string) => String(document[member]).slice(publicUrl.length);

    const { accessToken } = await signUp(service, 'metadata');
    const keys = createRemoteJWKSet(new URL(service.httpUrl + pathOf('jwks_uri')));
    const { payload } = await jwtVerify(accessToken, keys, { issuer: publicUrl, typ: 'at+jwt' });
    const introspected = await postForm(service, pathOf('introspection_endpoint'), { token: accessToken });
    expect(introspected.json).toMatchObject({ active: true, jti: payload.jti, iss: publicUrl });
    const revoked = await postForm(service, pathOf('revocation_endpoint'), { token: accessToken });
    expect(revoked.status).toBe(200);
    await expect(service.user().getMe({}, bearer(accessToken))).rejects.toThrow(/revoked/);
  } finally {
    await service.stop();
  }
});
