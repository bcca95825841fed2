// Tries every bad credential on every guarded RPC, over every protocol. A new RPC is covered the day it is written: the list of
// methods is what the service itself registers.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { revocation, type RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { SALT_LENGTH } from '../../src/domain/session/refresh-token.ts';
import { PAGE_ORIGIN } from '../support/browser.ts';
import {
  allScopes,
  issueApiKey,
  issuePersonsKey,
  openCookieSession,
  signToken,
  strangersTokens,
  unsignedTokens,
  wrongAlgorithmTokens,
} from '../support/forged-tokens.ts';
import {
  allEnd,
  endings,
  clearRuns,
  guardedMethods,
  ran,
  type CallHeaders,
  type GuardedMethod,
} from '../support/recorded-handlers.ts';
import { nameOf } from '../support/rpc-calls.ts';
import { PROTOCOLS, startTestService, type Protocol, type TestService } from '../support/service.ts';

vi.mock(import('../../src/edge/operations/handlers.ts'), async () => ({
  servedService: (await import('../support/recorded-handlers.ts')).recordedService,
}));

const MISSING = 'Unauthenticated TOKEN_MISSING latchkey';
const INVALID = 'Unauthenticated TOKEN_INVALID latchkey';
const EXPIRED = 'Unauthenticated TOKEN_EXPIRED latchkey';
const REVOKED = 'Unauthenticated TOKEN_REVOKED latchkey';
const OTHER_KIND = 'PermissionDenied CREDENTIAL_NOT_ALLOWED latchkey';
const UNDER_SCOPED = 'PermissionDenied INSUFFICIENT_SCOPE latchkey';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const inCookie = (value: string, origin = PAGE_ORIGIN) => ({ cookie: `__Host-latchkey=${value}`, origin });

// Written down once more, and not asked of the server: keys may call whatever tokens may, but for what wants a login.
const MAY_CALL = {
  access_token: ([, rule]: GuardedMethod) => rule.credentials.includes('access_token'),
  session_cookie: ([, rule]: GuardedMethod) => rule.credentials.includes('session_cookie'),
  "service's api_key": ([method]: GuardedMethod) =>
    [...SERVICES_WITHOUT_LOGIN, ...KEYS_ALONE].includes(method.name) ||
    (!WANT_LOGIN.has(method.name) && method.parent.typeName !== 'latchkey.v1.UserService'),
  "person's api_key": ([method]: GuardedMethod) =>
    KEYS_ALONE.includes(method.name) || !WANT_LOGIN.has(method.name),
};
const KEYS_ALONE = ['ExchangeApiKey'];
const SERVICES_WITHOUT_LOGIN = ['CreateServiceApiKey', 'RotateServiceApiKey'];
const WANT_LOGIN: ReadonlySet<string> = new Set([
  'Logout',
  'LogoutAll',
  'ConfirmEmailChange',
  'Reauthenticate',
  'DeleteMe',
  'ChangePassword',
  'StartEmailChange',
  'EnrollTotp',
  'ConfirmTotp',
  'DisableTotp',
  'RegenerateBackupCodes',
  'CreateApiKey',
  'RotateApiKey',
  'SetUserRole',
  'ResetUserMfa',
  'UpsertRole',
  'RotateSigningKey',
  ...SERVICES_WITHOUT_LOGIN,
]);

let service: TestService;
let apiKey: string;
let personsKey: string;
let goodToken: string;
let cookie: string;

beforeAll(async () => {
  service = await startTestService({ variables: { ALLOWED_ORIGINS: PAGE_ORIGIN } });
  apiKey = (await issueApiKey(service.app, allScopes(service.app))).text;
  personsKey = (await issuePersonsKey(service.app, allScopes(service.app))).text;
});
afterAll(() => service.stop());
// Anew for each test: what wants a recent login takes one of five minutes at most, and a loaded machine runs the file for longer.
beforeEach(async () => {
  goodToken = await signToken(service.app);
  cookie = await openCookieSession(service.app);
  clearRuns();
});

/** Holds that every guarded method refuses these headers in the same way, and that none of their handlers ran. */
async function allRefuse(protocol: Protocol, headers: CallHeaders, ending: string): Promise<void> {
  const methods = guardedMethods().map(([method]) => method);
  expect(methods.length).toBeGreaterThan(5);
  expect(await endings(service, protocol, methods, headers)).toEqual(allEnd(methods, ending));
  expect(ran).toEqual([]);
}

async function allRefuseTokens(
  protocol: Protocol,
  tokens: Readonly<Record<string, string>>,
  ending = INVALID,
): Promise<void> {
  expect(Object.keys(tokens)).not.toEqual([]);
  for (const token of Object.values(tokens)) await allRefuse(protocol, bearer(token), ending);
}

function revoke(...targets: RevocationTarget[]): void {
  const now = service.app.clock.now();
  service.app.revocationIndex.apply(targets.map((target) => revocation(target, now, 900_000)));
}

/** Calls the first method that takes tokens and keys. */
async function oneCall(protocol: Protocol, credential: string): Promise<string | undefined> {
  const [entry] = guardedMethods().filter(
    ([, rule]) => rule.credentials.includes('api_key') && rule.credentials.includes('access_token'),
  );
  return Object.values(await endings(service, protocol, [entry![0]], bearer(credential)))[0];
}

describe.each(PROTOCOLS)('over %s, a guarded method', (protocol) => {
  it.each([
    ['access_token', () => bearer(goodToken)],
    ['access_token', () => ({ authorization: `bearer   ${goodToken}` })],
    ["service's api_key", () => bearer(apiKey)],
    ["service's api_key", () => ({ 'x-api-key': apiKey })],
    ["person's api_key", () => bearer(personsKey)],
    ["person's api_key", () => ({ 'x-api-key': personsKey })],
    ['session_cookie', () => inCookie(cookie)],
  ] as const)('runs for a good %s where that kind may call, and only there', async (kind, headers) => {
    if (kind === 'session_cookie' && protocol === 'grpc') return allRefuse(protocol, headers(), MISSING);
    const isAllowed = MAY_CALL[kind];
    const methods = guardedMethods().map(([method]) => method);
    const allowed = guardedMethods()
      .filter(isAllowed)
      .map(([method]) => method);
    const expected = { ...allEnd(methods, OTHER_KIND), ...allEnd(allowed, 'OK') };
    expect(await endings(service, protocol, methods, headers())).toEqual(expected);
    expect(ran).toEqual(allowed.map(nameOf));
  });

  it('refuses no credential', async () => {
    await allRefuse(protocol, {}, MISSING);
    await allRefuse(protocol, { cookie: `session=${goodToken}` }, MISSING);
  });

  it('refuses a cookie from where it does not count, and one that is none where it does', async () => {
    for (const origin of ['https://evil.example', 'null'])
      await allRefuse(protocol, inCookie(cookie, origin), MISSING);
    await allRefuse(protocol, { cookie: inCookie(cookie).cookie }, MISSING);
    const ending = protocol === 'grpc' ? MISSING : INVALID;
    for (const value of [goodToken, apiKey, cookie.slice(0, -1), ''])
      await allRefuse(protocol, inCookie(value), ending);
    for (const headers of [bearer(cookie), { 'x-api-key': cookie }])
      await allRefuse(protocol, headers, INVALID);
  });

  it('refuses a cookie beside a credential that is bad', async () => {
    await allRefuse(protocol, { ...inCookie(cookie), ...bearer('bad') }, INVALID);
    await allRefuse(protocol, { ...inCookie(cookie), 'x-api-key': 'lkak_bad' }, INVALID);
  });

  it.each([
    ['empty', ''],
    ['another scheme', 'Basic dXNlcjpwYXNz'],
    ['a scheme alone', 'Bearer'],
    ['a token without scheme', 'TOKEN'],
    ['no space', 'BearerTOKEN'],
    ['a scheme behind another', 'Token Bearer TOKEN'],
    ['two tokens', 'Bearer TOKEN TOKEN'],
    ['two values in one', 'Bearer TOKEN, Bearer TOKEN'],
    ['a quoted token', 'Bearer "TOKEN"'],
    ['garbage', 'Bearer !!!'],
    ['dots', 'Bearer ..'],
    ['four parts', 'Bearer TOKEN.e30'],
    ['a token with something before', 'Bearer xTOKEN'],
    ['a token with something after', 'Bearer TOKENx'],
    ['a padded token', 'Bearer TOKEN='],
    ['an unknown prefix', 'Bearer lkxx_TOKEN'],
    ['a very long one', `Bearer ${'a'.repeat(20_000)}`],
    ['a very long one with dots', `Bearer ${'a.'.repeat(5_000)}`],
    ['an API key cut short', 'Bearer lkak_abc'],
  ])('refuses a malformed authorization: %s', async (_what, value) => {
    await allRefuse(protocol, { authorization: value.replaceAll('TOKEN', goodToken) }, INVALID);
  });

  it('refuses an authorization with a tab, and prints it nowhere', async () => {
    const headers = { authorization: `Bearer\t${goodToken}` };
    const methods = guardedMethods().map(([method]) => method);
    // grpc-js, which serves the streams of gRPC, drops a header that is no legal metadata before anyone sees it.
    const streams = protocol === 'grpc' ? methods.filter(({ methodKind }) => methodKind !== 'unary') : [];
    const printed = vi.spyOn(console, 'error');
    const expected = { ...allEnd(methods, INVALID), ...allEnd(streams, MISSING) };
    expect(await endings(service, protocol, methods, headers)).toEqual(expected);
    expect(ran).toEqual([]);
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  it.each(['authorization', 'x-api-key'])('refuses two values of %s, also two good ones', async (name) => {
    const value = name === 'authorization' ? `Bearer ${goodToken}` : apiKey;
    const twice = [
      [name, value],
      [name, value],
    ] as const;
    await allRefuse(protocol, twice, INVALID);
  });

  it('refuses an API key header that holds something else', async () => {
    for (const value of ['', goodToken, `Bearer ${apiKey}`, `${apiKey}x`, apiKey.slice(0, -1)])
      await allRefuse(protocol, { 'x-api-key': value }, INVALID);
  });

  it('refuses a token out of its time', async () => {
    const now = Math.floor(service.app.clock.now() / 1000);
    const past = { exp: now - 60, iat: now - 600, nbf: now - 600 };
    await allRefuseTokens(protocol, { expired: await signToken(service.app, past) }, EXPIRED);
    await allRefuseTokens(protocol, { early: await signToken(service.app, { nbf: now + 60 }) });
  });

  it.each([
    ['another audience', { aud: ['other'] }],
    ['no audience', { aud: [] }],
    ['an audience that begins like ours', { aud: 'latchkey.evil' }],
    ['another issuer', { iss: 'https://evil.example' }],
    ['an issuer that begins like ours', { iss: 'http://latchkey.test.evil.example' }],
    ['no issuer', { iss: undefined }],
    ['no subject', { sub: undefined }],
    ['no expiry', { exp: undefined }],
    ['no epoch', { ver: undefined }],
  ])('refuses a token with %s', async (_what, claims) => {
    await allRefuseTokens(protocol, { it: await signToken(service.app, claims) });
  });

  it.each(['JWT', 'jwt', 'application/jwt', 'rt+jwt', 'id+jwt', 'logout+jwt', '', undefined])(
    'refuses a token of type %s',
    async (typ) => {
      await allRefuseTokens(protocol, { it: await signToken(service.app, {}, { typ }) });
    },
  );

  it('refuses a refresh token', async () => {
    const content = { sessionId: randomUUID(), generation: 1, salt: service.app.randomBytes(SALT_LENGTH) };
    const token = service.app.refreshTokenCodec.write(content);
    await allRefuseTokens(protocol, { it: token });
    await allRefuse(protocol, { 'x-api-key': token }, INVALID);
  });

  it('refuses a token of another algorithm', async () => {
    await allRefuseTokens(protocol, await wrongAlgorithmTokens(service.app));
  });

  it('refuses a token without signature', async () => {
    await allRefuseTokens(protocol, await unsignedTokens(service.app));
  });

  it('refuses a foreign token and a foreign key', async () => {
    await allRefuseTokens(protocol, await strangersTokens(service.app));
    const key = service.app.apiKeyCodec.create(randomUUID()).text;
    await allRefuse(protocol, bearer(key), INVALID);
  });

  it('refuses a revoked token, session, subject and API key', async () => {
    const [jti, sid, sub] = [randomUUID(), randomUUID(), randomUUID()];
    const key = await issueApiKey(service.app, allScopes(service.app));
    const credentials = {
      token: await signToken(service.app, { jti }),
      session: await signToken(service.app, { sid }),
      subject: await signToken(service.app, { sub, ver: 1 }),
      key: key.text,
    };
    for (const credential of Object.values(credentials))
      expect(await oneCall(protocol, credential)).toBe('OK');
    revoke(
      { form: 'token', id: jti },
      { form: 'session', id: sid },
      { form: 'subject', id: sub, minVersion: 2 },
      { form: 'session', id: key.id },
    );
    clearRuns();
    await allRefuseTokens(protocol, credentials, REVOKED);
    expect(await oneCall(protocol, await signToken(service.app, { sub, ver: 2 }))).toBe('OK');
  });

  it('refuses a credential that lacks one of its scopes', async () => {
    const scopes = allScopes(service.app);
    const scoped = guardedMethods().filter(([, rule]) => rule.scopes.length > 0);
    expect(scoped).not.toEqual([]);
    for (const [method, rule] of scoped) {
      for (const missing of rule.scopes) {
        const rest = scopes.filter((scope) => scope !== missing);
        const credentials = [
          await signToken(service.app, { scope: rest.join(' ') }),
          await signToken(service.app, { role: 'no-such-role' }),
        ];
        if (MAY_CALL["person's api_key"]([method, rule]))
          credentials.push((await issuePersonsKey(service.app, rest)).text);
        if (MAY_CALL["service's api_key"]([method, rule]))
          credentials.push((await issueApiKey(service.app, rest)).text);
        for (const credential of credentials)
          expect(await endings(service, protocol, [method], bearer(credential))).toEqual(
            allEnd([method], UNDER_SCOPED),
          );
      }
    }
    expect(ran).toEqual([]);
  });

  it('never papers over an invalid credential by a second one', async () => {
    const jti = randomUUID();
    revoke({ form: 'token', id: jti });
    const expired = await signToken(service.app, { exp: Math.floor(service.app.clock.now() / 1000) - 60 });
    const revoked = await signToken(service.app, { jti });
    for (const [authorization, ending] of [
      ['', INVALID],
      ['Basic dXNlcjpwYXNz', INVALID],
      ['Bearer garbage', INVALID],
      [`Bearer ${expired}`, EXPIRED],
      [`Bearer ${revoked}`, REVOKED],
    ] as const) {
      await allRefuse(protocol, { authorization, 'x-api-key': apiKey }, ending);
    }
  });
});
