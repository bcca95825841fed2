// RFC 7662: what a resource server learns of a token, and who may ask.

import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { revocation, type RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  allScopes,
  issueApiKey,
  signToken,
  strangersTokens,
  unsignedTokens,
  wrongAlgorithmTokens,
} from '../support/forged-tokens.ts';
import {
  basic,
  curl,
  FORM_TYPE,
  INTROSPECT,
  postForm,
  read,
  type HttpAnswer,
} from '../support/oauth-calls.ts';
import { bearer, GOOD_PASSWORD, signUp, startTestService, type TestService } from '../support/service.ts';

const INACTIVE = '{"active":false}';

let service: TestService;
let gatewayKey: string;
beforeAll(async () => {
  service = await startTestService();
  gatewayKey = service.secrets?.gatewayApiKey ?? '';
});
afterAll(() => service.stop());

const introspect = (token: string, headers: Record<string, string> = bearer(gatewayKey).headers) =>
  postForm(service, INTROSPECT, { token }, headers);

const seconds = () => Math.floor(service.app.clock.now() / 1000);

function revoke(...targets: RevocationTarget[]): void {
  service.app.revocationIndex.apply(
    targets.map((target) => revocation(target, service.app.clock.now(), 900_000)),
  );
}

describe('a good access token', () => {
  it('is described by its own claims, to curl with HTTP Basic', async () => {
    const { accessToken } = await signUp(service, 'curl');
    const claims = decodeJwt(accessToken);
    const answer = await curl(
      '-u',
      `my-resource-server:${gatewayKey}`,
      '--data-urlencode',
      `token=${accessToken}`,
      '-d',
      'token_type_hint=access_token',
      service.httpUrl + INTROSPECT,
    );
    expect(answer).toEqual({
      status: 200,
      json: {
        active: true,
        scope: 'account:read account:write',
        client_id: 'latchkey',
        token_type: 'Bearer',
        exp: claims.exp,
        iat: claims.iat,
        nbf: claims.nbf,
        sub: claims.sub,
        aud: ['latchkey'],
        iss: 'http://latchkey.test',
        jti: claims.jti,
        sid: claims['sid'],
        auth_time: claims['auth_time'],
        amr: ['pwd'],
      },
    });
    expect(claims.exp).toBeTypeOf('number');
    expect(claims['sid']).toBeTypeOf('string');
  });

  it('is answered as JSON that must not be cached, whatever the hint and unknown parameters', async () => {
    const token = await signToken(service.app);
    for (const hint of ['access_token', 'refresh_token', 'no_such_type', '']) {
      const form = { token, token_type_hint: hint, resource: 'https://rs.example' };
      const answer = await postForm(service, INTROSPECT, form, bearer(gatewayKey).headers);
      expect([answer.status, answer.json]).toMatchObject([200, { active: true }]);
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      expect(answer.headers.get('x-request-id')).not.toBeNull();
    }
  });

  it('has the scopes that its role still grants', async () => {
    const scope = 'account:read users:read';
    expect((await introspect(await signToken(service.app, { scope }))).json).toMatchObject({ scope });
    const asUser = await signToken(service.app, { scope, role: 'user' });
    expect((await introspect(asUser)).json).toMatchObject({ active: true, scope: 'account:read' });
    const ofNothing = await signToken(service.app, { scope, role: 'no-such-role' });
    expect((await introspect(ofNothing)).json).toMatchObject({ active: true, scope: '' });
  });

  it('of a service has no session and no login', async () => {
    const token = await signToken(service.app, { sid: undefined, amr: [], auth_time: undefined });
    const { json } = await introspect(token);
    expect(json).toMatchObject({ active: true });
    for (const absent of ['sid', 'amr', 'auth_time', 'username']) expect(json).not.toHaveProperty(absent);
  });
});

it('a good API key is answered with its owner, its scopes and no times', async () => {
  const key = await issueApiKey(service.app, ['tokens:validate', 'users:read']);
  expect((await introspect(key.text)).json).toEqual({
    active: true,
    scope: 'tokens:validate users:read',
    client_id: key.ownerId,
    token_type: 'Bearer',
    sub: key.ownerId,
    aud: ['latchkey'],
    iss: 'http://latchkey.test',
    jti: key.id,
  });
});

describe('anything else is inactive, and nothing more is said', () => {
  const expectInactive = async (token: string) => {
    const answer = await introspect(token);
    expect([answer.status, answer.text]).toEqual([200, INACTIVE]);
  };

  it('a token out of its time, for others or by others', async () => {
    for (const claims of [
      { exp: seconds() - 60, iat: seconds() - 600, nbf: seconds() - 600 },
      { nbf: seconds() + 60 },
      { aud: ['other'] },
      { iss: 'https://evil.example' },
      { exp: undefined },
    ])
      await expectInactive(await signToken(service.app, claims));
    await expectInactive(await signToken(service.app, {}, { typ: 'JWT' }));
  });

  it('a forged token', async () => {
    for (const forge of [strangersTokens, unsignedTokens, wrongAlgorithmTokens])
      for (const token of Object.values(await forge(service.app))) await expectInactive(token);
  });

  it('a refresh token, good as it is', async () => {
    const { refreshToken } = await signUp(service, 'refresh');
    await expectInactive(refreshToken);
    expect((await service.auth().refreshToken({ refreshToken })).tokens).toBeDefined();
  });

  it('a revoked token, session, subject and API key, also one that was good a moment ago', async () => {
    const [jti, sid, sub] = [randomUUID(), randomUUID(), randomUUID()];
    const key = await issueApiKey(service.app, ['users:read']);
    const tokens = [
      await signToken(service.app, { jti }),
      await signToken(service.app, { sid }),
      await signToken(service.app, { sub, ver: 1 }),
      key.text,
    ];
    for (const token of tokens) expect((await introspect(token)).json).toMatchObject({ active: true });
    revoke(
      { form: 'token', id: jti },
      { form: 'session', id: sid },
      { form: 'subject', id: sub, minVersion: 2 },
      { form: 'session', id: key.id },
    );
    for (const token of tokens) await expectInactive(token);
  });

  it.each([
    'x',
    ' ',
    '\0',
    '..',
    'lkak_',
    'lkrt_',
    'lkak_\0\u{1F511}',
    '\u{1F511}',
    "' or 1=1 --",
    'Bearer x',
    'a'.repeat(60_000),
    `lkak_${'a'.repeat(60_000)}`,
    'a.'.repeat(20_000),
  ])('a text that is no token: %.20s', async (token) => {
    await expectInactive(token);
  });
});

describe('the caller', () => {
  let token: string;
  beforeAll(async () => {
    token = await signToken(service.app);
  });

  const expectActive = async (headers: Record<string, string>) =>
    expect((await introspect(token, headers)).json).toMatchObject({ active: true });

  function expectRefusal(answer: HttpAnswer, status: number, error: string, challenge: RegExp): void {
    expect([answer.status, answer.json]).toMatchObject([status, { error }]);
    expect(answer.json).toHaveProperty('error_description');
    expect(answer.json).not.toHaveProperty('active');
    expect(answer.headers.get('www-authenticate')).toMatch(challenge);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  }
  const INVALID_TOKEN = /^Bearer realm="latchkey", error="invalid_token", error_description="[^"\\]+"$/;

  it('may show a key or a token that holds the scope, as Bearer, x-api-key or Basic', async () => {
    await expectActive(bearer(gatewayKey).headers);
    await expectActive({ 'x-api-key': gatewayKey });
    await expectActive(bearer(await signToken(service.app, { scope: 'tokens:validate' })).headers);
    for (const user of [randomUUID(), '', 'rs%3A1', 'a b']) await expectActive(basic(user, gatewayKey));
    const encoded = gatewayKey.replaceAll(/[_k]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
    await expectActive(basic('rs', encoded));
    await expectActive({ authorization: basic('rs', gatewayKey).authorization.replace('Basic', 'bASIC  ') });
  });

  it('a call without credentials gets a challenge, and no error code stands in the challenge', async () => {
    for (const headers of [{}, { cookie: `session=${gatewayKey}` }])
      expectRefusal(
        await introspect(token, headers),
        401,
        'invalid_client',
        /^Bearer realm="latchkey", Basic realm="latchkey"$/,
      );
  });

  it('is refused with a bad Bearer or x-api-key', async () => {
    const jti = randomUUID();
    revoke({ form: 'token', id: jti });
    const { refreshToken } = await signUp(service, 'badcaller');
    const bad = [
      'garbage',
      '',
      refreshToken,
      `${gatewayKey}x`,
      service.app.apiKeyCodec.create(randomUUID()).text,
      await signToken(service.app, { exp: seconds() - 60 }),
      await signToken(service.app, { nbf: seconds() + 60 }),
      await signToken(service.app, { aud: ['other'] }),
      await signToken(service.app, { iss: 'https://evil.example' }),
      await signToken(service.app, { jti }),
      ...Object.values(await strangersTokens(service.app)),
      ...Object.values(await unsignedTokens(service.app)),
      ...Object.values(await wrongAlgorithmTokens(service.app)),
    ];
    for (const credential of bad)
      expectRefusal(await introspect(token, bearer(credential).headers), 401, 'invalid_token', INVALID_TOKEN);
    for (const credential of ['', token, 'garbage', `${gatewayKey}x`])
      expectRefusal(
        await introspect(token, { 'x-api-key': credential }),
        401,
        'invalid_token',
        INVALID_TOKEN,
      );
    const both = { 'x-api-key': gatewayKey, ...bearer('garbage').headers };
    expectRefusal(await introspect(token, both), 401, 'invalid_token', INVALID_TOKEN);
  });

  it('may show a key as client_secret in the form', async () => {
    const { accessToken } = await signUp(service, 'secret-post');
    const form = { token: accessToken, client_id: 'my-resource-server', client_secret: gatewayKey };
    const answer = await postForm(service, INTROSPECT, form);
    expect([answer.status, answer.json]).toMatchObject([200, { active: true }]);
    const bad = await postForm(service, INTROSPECT, { ...form, client_secret: `${gatewayKey}x` });
    expect([bad.status, bad.json]).toMatchObject([401, { error: 'invalid_client' }]);
    const anonymous = await postForm(service, INTROSPECT, { token: accessToken, client_id: 'x' });
    expect(anonymous.status).toBe(401);
  });

  it('is refused with a bad Basic, in kind', async () => {
    const stranger = service.app.apiKeyCodec.create(randomUUID()).text;
    const headers = [
      basic('rs', 'wrong'),
      basic('rs', ''),
      basic('rs', stranger),
      basic('rs', `${gatewayKey}x`),
      basic('rs', ` ${gatewayKey}`),
      basic('rs', `${gatewayKey}%`),
      basic('rs', `x:${gatewayKey}`),
      // A password, and a token that could be shown as Bearer, are no API key.
      basic('root@example.com', GOOD_PASSWORD),
      basic('rs', await signToken(service.app)),
      // The key in the place of the user.
      basic(gatewayKey, ''),
      { authorization: 'Basic' },
      { authorization: 'Basic !!!' },
      { authorization: `Basic ${Buffer.from(gatewayKey).toString('base64')}` },
      { authorization: `Basic ${gatewayKey}` },
    ];
    for (const header of headers)
      expectRefusal(await introspect(token, header), 401, 'invalid_client', /^Basic realm="latchkey"$/);
  });

  it('is refused with two of one header, though both are good', async () => {
    for (const name of ['authorization', 'x-api-key']) {
      const value = name === 'authorization' ? `Bearer ${gatewayKey}` : gatewayKey;
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const headers = { 'content-type': FORM_TYPE, [name]: [value, value] };
        request(service.httpUrl + INTROSPECT, { method: 'POST', headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end(`token=${token}`);
      });
      expect(status).toBe(401);
    }
  });

  it('is refused without the scope', async () => {
    const rest = allScopes(service.app).filter((scope) => scope !== 'tokens:validate');
    const forbidden = /^Bearer realm="latchkey", error="insufficient_scope", .*, scope="tokens:validate"$/;
    const key = await issueApiKey(service.app, rest);
    for (const headers of [
      bearer(await signToken(service.app, { scope: rest.join(' ') })).headers,
      bearer(await signToken(service.app, { role: 'moderator' })).headers,
      bearer(key.text).headers,
      basic('rs', key.text),
    ])
      expectRefusal(await introspect(token, headers), 403, 'insufficient_scope', forbidden);
  });

  it('is refused before a word of the body is looked at', async () => {
    const answer = await read(
      await fetch(service.httpUrl + INTROSPECT, { method: 'POST', body: 'x'.repeat(200_000) }),
    );
    expect(answer.status).toBe(401);
  });
});

it('with LATCHKEY_ANONYMOUS_VALIDATION anyone may ask, and credentials are not looked at', async () => {
  const open = await startTestService({ variables: { ANONYMOUS_VALIDATION: 'true' } });
  try {
    const token = await signToken(open.app);
    for (const headers of [{}, bearer('garbage').headers, basic('a', 'b')]) {
      expect((await postForm(open, INTROSPECT, { token }, headers)).json).toMatchObject({ active: true });
      expect((await postForm(open, INTROSPECT, { token: 'x' }, headers)).json).toEqual({ active: false });
    }
  } finally {
    await open.stop();
  }
});

it('a node that cannot know what is revoked says so, and when to ask again', async () => {
  const clock = new FakeClock(Date.now());
  const lonely = await startTestService({ clock, variables: { ANONYMOUS_VALIDATION: 'true' } });
  try {
    const token = await signToken(lonely.app);
    await lonely.app.database.close();
    expect((await postForm(lonely, INTROSPECT, { token })).json).toMatchObject({ active: true });
    const key = await postForm(lonely, INTROSPECT, { token: lonely.secrets?.gatewayApiKey ?? '' });
    expect([key.status, key.json]).toMatchObject([503, { error: 'temporarily_unavailable' }]);
    clock.advance(5_001);
    const stale = await postForm(lonely, INTROSPECT, { token });
    expect([stale.status, stale.json]).toMatchObject([503, { error: 'temporarily_unavailable' }]);
    expect(stale.headers.get('retry-after')).toBe('1');
    expect(stale.headers.get('cache-control')).toBe('no-store');
    expect((await postForm(lonely, INTROSPECT, { token: 'forged' })).text).toBe(INACTIVE);
  } finally {
    await lonely.running.stop();
  }
});
