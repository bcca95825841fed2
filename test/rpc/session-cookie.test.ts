// Cookie sessions as a page in a browser has them: login, use, the second factor, sliding, and every way in which they end.

import { durationMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CredentialKind } from '../../gen/latchkey/v1/access_pb.ts';
import { InactiveReason } from '../../gen/latchkey/v1/token_pb.ts';
import { REFRESH_TOKEN_PREFIX } from '../../src/domain/session/refresh-token.ts';
import { SESSION_COOKIE_PREFIX } from '../../src/domain/session/session-cookie.ts';
import type { Browser } from '../support/browser.ts';
import { BROWSER_PROTOCOLS, openBrowser, PAGE_ORIGIN, signInByCookie } from '../support/browser.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { byPassword } from '../support/proofs.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { DAY_MS, MINUTE_MS } from '../support/samples.ts';
import { bearer, GOOD_PASSWORD, signUp, startTestService, type TestService } from '../support/service.ts';
import { enrolTotp, STEP_MS, totpCode } from '../support/totp.ts';

const CLEARED = '__Host-latchkey=; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age=0';
const clock = new FakeClock();
let service: TestService;
let gateway: { readonly headers: { readonly 'x-api-key': string } };
beforeAll(async () => {
  const variables = { ALLOWED_ORIGINS: PAGE_ORIGIN, PUBLIC_URL: 'https://id.example.com/base' };
  service = await startTestService({ clock, variables });
  gateway = { headers: { 'x-api-key': service.secrets?.gatewayApiKey ?? '' } };
});
afterAll(() => service.stop());
/** Lets time pass; what the node knows of revocations is as fresh as before. */
function pass(ms: number): void {
  clock.advance(ms);
  service.app.revocationIndex.markFresh(clock.now());
}
beforeEach(() => pass(MINUTE_MS));

let people = 0;
async function newcomer() {
  people += 1;
  const name = `page-${people}`;
  return { name, ...(await signUp(service, name)) };
}
const reasonOf = async (call: Promise<unknown>) => (await refusalOf(call)).reason;
const getMe = (browser: Browser) => browser.user.getMe({});
const stored = async (id: string) => (await service.app.sessions.findWithUser(id))?.session;
/** A page that is logged in by cookie, beside a login with tokens. */
async function page(
  protocol: (typeof BROWSER_PROTOCOLS)[number] = 'connect',
  scopes: readonly string[] = [],
) {
  const person = await newcomer();
  const browser = openBrowser(service, protocol);
  const tokens = await signInByCookie(browser, person.name, scopes);
  return { ...person, browser, tokens, cookie: browser.cookie ?? '' };
}

describe.each(BROWSER_PROTOCOLS)('over %s', (protocol) => {
  it('a page logs in, is known by its cookie alone, and logs out', async () => {
    const { name, browser, tokens, cookie } = await page(protocol);
    expect(cookie).toMatch(/^lksc_[A-Za-z0-9_-]{88}$/);
    expect(browser.setCookies).toEqual([
      `__Host-latchkey=${cookie}; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age=${(30 * DAY_MS) / 1000}`,
    ]);
    expect(tokens).toMatchObject({ accessToken: '', refreshToken: '', tokenType: '' });
    expect(tokens.scopes).toEqual(['account:read', 'account:write']);
    expect(tokens.expiresIn && durationMs(tokens.expiresIn)).toBe(7 * DAY_MS);

    expect((await getMe(browser)).user?.username).toBe(name);
    const { sessions } = await browser.user.listSessions({});
    expect(sessions.map(({ id, current }) => [id, current])).toEqual([
      [tokens.sessionId, true],
      [expect.any(String), false],
    ]);
    expect(sessions[0]).toMatchObject({ deviceName: 'browser' });
    expect(browser.setCookies).toHaveLength(1);

    await browser.auth.logout({});
    expect(browser.setCookies.slice(1)).toEqual([CLEARED]);
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_MISSING');
    browser.cookie = cookie;
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_REVOKED');
    expect(browser.setCookies.slice(2)).toEqual([CLEARED]);
    expect(browser.cookie).toBeUndefined();
  });

  it('carries the scopes that were asked for, as far as the role grants them', async () => {
    const { browser, tokens } = await page(protocol, ['account:read', 'users:write']);
    expect(tokens.scopes).toEqual(['account:read']);
    await getMe(browser);
    expect(await reasonOf(browser.user.updateMe({ user: { fullName: 'B' } }))).toBe('INSUFFICIENT_SCOPE');
    expect(browser.cookie).toBeDefined();
  });

  it('answers the second factor where the login asked for a cookie, and nowhere else', async () => {
    const { name, accessToken } = await newcomer();
    const factor = await enrolTotp(service, accessToken);
    const browser = openBrowser(service, protocol);
    const challenge = async (useCookie: boolean) => {
      const { outcome } = await browser.auth.login({ identifier: name, password: GOOD_PASSWORD, useCookie });
      if (outcome.case !== 'mfaChallenge') throw new Error('no second factor is asked');
      return outcome.value.mfaToken;
    };
    const mfaToken = await challenge(true);
    expect(browser.setCookies).toEqual([]);
    const request = () => ({ mfaToken, factor: { case: 'totpCode' as const, value: factor.code(1) } });
    const strangers = [
      service.auth('grpc'),
      openBrowser(service, protocol, 'https://evil.example').auth,
      openBrowser(service, protocol, 'null').auth,
      service.auth(protocol),
    ];
    for (const stranger of strangers) {
      const refusal = await refusalOf(stranger.verifyMfa(request()));
      expect(refusal).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['mfa_token'] });
    }
    const { tokens } = await browser.auth.verifyMfa(request());
    expect(tokens).toMatchObject({ accessToken: '', refreshToken: '', tokenType: '' });
    expect((await getMe(browser)).user?.username).toBe(name);

    pass(2 * STEP_MS);
    const value = totpCode(factor.secret, clock.now());
    const other = openBrowser(service, protocol);
    const plain = await other.auth.verifyMfa({
      mfaToken: await challenge(false),
      factor: { case: 'totpCode', value },
    });
    expect(plain.tokens?.refreshToken).toContain(REFRESH_TOKEN_PREFIX);
    expect(other.setCookies).toEqual([]);
  });

  it('lets authorization and x-api-key decide alone beside it', async () => {
    const { browser, accessToken, cookie, name } = await page(protocol);
    const other = await newcomer();
    browser.headers.set('authorization', `Bearer ${other.accessToken}`);
    expect((await getMe(browser)).user?.username).toBe(other.name);
    for (const [header, value] of [
      ['authorization', 'Bearer bad'],
      ['authorization', `Bearer ${cookie}`],
      ['authorization', ''],
      ['x-api-key', 'lkak_bad'],
      ['x-api-key', cookie],
    ] as const) {
      browser.headers.delete('authorization');
      browser.headers.set(header, value);
      expect(await reasonOf(getMe(browser))).toBe('TOKEN_INVALID');
      browser.headers.delete(header);
    }
    expect((await getMe(browser)).user?.username).toBe(name);
    // A bad cookie beside a good token changes nothing, and stays.
    browser.cookie = 'lksc_bad';
    browser.headers.set('authorization', `Bearer ${accessToken}`);
    expect((await getMe(browser)).user?.username).toBe(name);
    await browser.auth.logout({});
    expect(browser.setCookies).toHaveLength(1);
  });

  it.each([
    ['another origin', 'https://evil.example'],
    ['an origin that begins like it', `${PAGE_ORIGIN}.evil.example`],
    ['an origin that ends like it', 'https://evil-app.example.com'],
    ['another scheme', 'http://app.example.com'],
    ['another port', `${PAGE_ORIGIN}:8443`],
    ['another case', 'https://APP.example.com'],
    ['a slash', `${PAGE_ORIGIN}/`],
    ['two origins', `${PAGE_ORIGIN}, ${PAGE_ORIGIN}`],
    ['a sandboxed page', 'null'],
    ['an empty origin', ''],
    ['no origin', undefined],
    ['the public URL with its path', 'https://id.example.com/base'],
  ])('counts for nothing from %s, and is given to none', async (_what, origin) => {
    const { name, browser, cookie } = await page(protocol);
    const evil = openBrowser(service, protocol);
    evil.headers.delete('origin');
    if (origin !== undefined) evil.headers.set('origin', origin);
    evil.cookie = cookie;
    expect(await reasonOf(getMe(evil))).toBe('TOKEN_MISSING');
    expect(await reasonOf(evil.auth.logout({}))).toBe('TOKEN_MISSING');
    expect(await refusalOf(signInByCookie(evil, name))).toMatchObject({
      reason: 'VALIDATION_FAILED',
      fields: ['use_cookie'],
    });
    evil.cookie = 'lksc_bad';
    expect(await reasonOf(getMe(evil))).toBe('TOKEN_MISSING');
    expect(evil.setCookies).toEqual([]);
    await getMe(browser);
  });

  it("counts at the public URL's own origin", async () => {
    const { name } = await newcomer();
    const own = openBrowser(service, protocol, 'https://id.example.com');
    await signInByCookie(own, name);
    expect((await getMe(own)).user?.username).toBe(name);
  });

  it('refuses every cookie that is none, and takes it away', async () => {
    const { browser, cookie, refreshToken, accessToken } = await page(protocol);
    const { id: sessionId, salt } = (await stored(
      (await browser.user.listSessions({})).sessions[0]?.id ?? '',
    ))!;
    const flip = (at: number) =>
      cookie.slice(0, at) + (cookie[at] === 'A' ? 'B' : 'A') + cookie.slice(at + 1);
    const others = service.app.sessionCookieCodec;
    const bad = [
      ...[0, 4, 5, 20, 40, 60, cookie.length - 1].map(flip),
      cookie.slice(0, -1),
      `${cookie}A`,
      `"${cookie}"`,
      cookie.toLowerCase(),
      cookie.slice(5),
      '',
      'x',
      'a'.repeat(10_000),
      refreshToken,
      accessToken,
      SESSION_COOKIE_PREFIX + refreshToken.slice(5),
      service.app.refreshTokenCodec.write({ sessionId, generation: 1, salt }),
      service.secrets?.gatewayApiKey ?? '',
      // Genuine by their MAC, and of no session's row.
      others.write({ sessionId: service.app.newId(), salt }),
    ];
    // As a renewed session's cookie before the present one: no credential either, but the present one may be in the browser by now.
    browser.cookie = others.write({ sessionId, salt: service.app.randomBytes(18) });
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_INVALID');
    expect(browser.cookie).toBeDefined();
    for (const value of bad) {
      browser.cookie = value;
      expect([value, await reasonOf(getMe(browser))]).toEqual([value, 'TOKEN_INVALID']);
      expect(browser.cookie).toBeUndefined();
    }
    browser.cookie = cookie;
    await getMe(browser);
  });

  it('refuses two of them', async () => {
    const { browser, cookie } = await page(protocol);
    browser.cookie = `${cookie}; __Host-latchkey=${cookie}`;
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_INVALID');
  });

  it.each([
    '__host-latchkey',
    '__HOST-LATCHKEY',
    'latchkey',
    '__Secure-latchkey',
    'x__Host-latchkey',
    '__Host-latchkey ',
    '\u00A0__Host-latchkey',
    '=__Host-latchkey',
  ])('knows no cookie by the name %j', async (name) => {
    const { browser, cookie } = await page(protocol);
    browser.cookie = undefined;
    browser.headers.set('cookie', `${name}=${cookie}`);
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_MISSING');
  });

  it.each([
    ['logoutAll', (browser: Browser) => browser.auth.logoutAll({})],
    ['deleteMe', (browser: Browser) => browser.user.deleteMe(byPassword())],
  ])('%s takes the cookie away with the session', async (_name, end) => {
    const { browser, cookie } = await page(protocol);
    await end(browser);
    expect(browser.setCookies.slice(1)).toEqual([CLEARED]);
    browser.cookie = cookie;
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_REVOKED');
  });
});

it('is no credential over gRPC, and asked for in vain there', async () => {
  const { name, cookie } = await page();
  const headers = {
    cookie: `__Host-latchkey=${cookie}`,
    origin: PAGE_ORIGIN,
    'content-type': 'application/json',
  };
  const over = service.user('grpc').getMe({}, { headers });
  expect(await reasonOf(over)).toBe('TOKEN_MISSING');
  const asking = service
    .auth('grpc')
    .login({ identifier: name, password: GOOD_PASSWORD, useCookie: true }, { headers });
  expect(await refusalOf(asking)).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['use_cookie'] });
});

describe('a cookie session', () => {
  it('never gets tokens: its cookie is no refresh token, and a forged one of its own is none', async () => {
    const { cookie, tokens } = await page();
    const session = await stored(tokens.sessionId);
    const salt = session?.salt ?? new Uint8Array();
    const forged = [1, 2].map((generation) =>
      service.app.refreshTokenCodec.write({ sessionId: tokens.sessionId, generation, salt }),
    );
    for (const refreshToken of [cookie, REFRESH_TOKEN_PREFIX + cookie.slice(5), ...forged])
      expect(await reasonOf(service.auth().refreshToken({ refreshToken }))).toBe('TOKEN_INVALID');
    expect(await stored(tokens.sessionId)).toEqual(session);
  });

  it('goes on for as long as it is used, noted once a minute, until its absolute end', async () => {
    const { browser, tokens, cookie } = await page();
    const opened = clock.now();
    const touch = async () => {
      await getMe(browser);
      await service.app.sessionDirectory.idle();
      return stored(tokens.sessionId);
    };
    pass(59_999);
    expect(await touch()).toMatchObject({ lastSeenTime: opened, expireTime: opened + 7 * DAY_MS });
    pass(1);
    const noted = await touch();
    expect(noted).toMatchObject({ lastSeenTime: opened + 60_000, expireTime: opened + 60_000 + 7 * DAY_MS });
    pass(59_999);
    expect(await touch()).toEqual(noted);

    for (let week = 1; week <= 4; week += 1) {
      pass(7 * DAY_MS - MINUTE_MS);
      await touch();
    }
    expect(await stored(tokens.sessionId)).toMatchObject({ expireTime: opened + 30 * DAY_MS });
    clock.set(opened + 30 * DAY_MS - 1);
    pass(0);
    await getMe(browser);
    pass(1);
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_EXPIRED');
    expect(browser.setCookies.at(-1)).toBe(CLEARED);
    expect(browser.setCookies[0]).toContain(cookie);
  });

  it('ends when it is idle for too long', async () => {
    const { browser } = await page();
    pass(7 * DAY_MS - 1);
    await getMe(browser);
    await service.app.sessionDirectory.idle();
    pass(7 * DAY_MS);
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_EXPIRED');
  });

  it('asks for a new login where a recent one is wanted', async () => {
    const { name, browser } = await page();
    const key = () => browser.user.createApiKey({ displayName: 'A', scopes: ['account:read'] });
    await key();
    pass(5 * MINUTE_MS + 1);
    expect(await reasonOf(key())).toBe('STEP_UP_REQUIRED');
    expect(browser.cookie).toBeDefined();
    await signInByCookie(browser, name);
    await key();
  });

  it('lives on when it changes the password, and the others die', async () => {
    const { name, browser, accessToken } = await page();
    const other = openBrowser(service, 'grpc-web');
    await signInByCookie(other, name);
    await getMe(other);
    pass(20 * MINUTE_MS);
    await signInByCookie(browser, name);
    await browser.user.changePassword({
      currentPassword: GOOD_PASSWORD,
      newPassword: 'Quartz-Loom-77-Vortex?',
    });
    await getMe(browser);
    expect(await reasonOf(getMe(other))).toBe('TOKEN_REVOKED');
    expect(await reasonOf(service.user().getMe({}, bearer(accessToken)))).toBe('TOKEN_EXPIRED');
    pass(MINUTE_MS);
    await getMe(browser);
  });

  it('gets another cookie by a new password; the old one is invalid, and its rejection deletes no cookie', async () => {
    const { name, browser, cookie: old } = await page();
    await browser.user.changePassword({
      currentPassword: GOOD_PASSWORD,
      newPassword: 'Quartz-Loom-77-Vortex?',
    });
    expect(browser.cookie).toMatch(/^lksc_/);
    expect(browser.cookie).not.toBe(old);
    const late = openBrowser(service);
    late.cookie = old;
    expect(await reasonOf(getMe(late))).toBe('TOKEN_INVALID');
    expect(late.setCookies).toEqual([]);
    expect((await getMe(browser)).user?.username).toBe(name);
    const { sessions } = await browser.user.listSessions({});
    expect(sessions.map(({ current }) => current)).toEqual([true]);
  });

  it('dies when another turns the second factor on, however long it was idle', async () => {
    const { name, browser } = await page();
    const idle = openBrowser(service);
    await signInByCookie(idle, name);
    pass(2 * DAY_MS);
    const { cookie } = idle;
    await signInByCookie(browser, name);
    const { secret } = await browser.user.enrollTotp(byPassword());
    await getMe(idle);
    await browser.user.confirmTotp({ code: totpCode(secret, clock.now()) });
    expect(await reasonOf(getMe(idle))).toBe('TOKEN_REVOKED');
    pass(DAY_MS);
    idle.cookie = cookie;
    expect(await reasonOf(getMe(idle))).toBe('TOKEN_REVOKED');
    expect((await browser.user.listSessions({})).sessions).toHaveLength(1);
  });

  it('dies with its owner, and by its id', async () => {
    const { browser, tokens, accessToken } = await page();
    await service.user().revokeSession({ sessionId: tokens.sessionId }, bearer(accessToken));
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_REVOKED');
    const second = await page();
    await second.browser.user.deleteMe(byPassword());
    second.browser.cookie = second.cookie;
    expect(await reasonOf(getMe(second.browser))).toBe('TOKEN_REVOKED');
  });

  it('keeps its cookie when a call refuses another token than that', async () => {
    const { browser } = await page();
    const { text: token } = service.app.actionTokenCodec.create('email_change', service.app.newId());
    expect(await reasonOf(browser.user.confirmEmailChange({ token }))).toBe('TOKEN_INVALID');
    expect(browser.setCookies).toHaveLength(1);
    await getMe(browser);
  });

  it('ends by RevokeToken with its cookie', async () => {
    const { browser, cookie } = await page();
    await service.auth().revokeToken({ token: `${cookie.slice(0, -1)}${cookie.endsWith('A') ? 'B' : 'A'}` });
    await getMe(browser);
    await service.auth().revokeToken({ token: cookie });
    expect(await reasonOf(getMe(browser))).toBe('TOKEN_REVOKED');
  });

  it('is known to a gateway by its cookie, for as long as it lives', async () => {
    const { browser, cookie, tokens } = await page('connect', ['account:read']);
    const ask = (change: object = {}) => service.auth().validateToken({ token: cookie, ...change }, gateway);
    const verdict = await ask();
    expect(verdict).toMatchObject({
      active: true,
      principal: {
        credential: CredentialKind.SESSION_COOKIE,
        sessionId: tokens.sessionId,
        scopes: ['account:read'],
        amr: ['pwd'],
      },
    });
    expect(verdict.expiresAt && timestampMs(verdict.expiresAt)).toBe(clock.now() + 7 * DAY_MS);
    expect(await ask({ requiredScopes: ['account:write'] })).toMatchObject({
      active: false,
      inactiveReason: InactiveReason.INSUFFICIENT_SCOPE,
      missingScopes: ['account:write'],
    });
    expect(await ask({ audience: 'elsewhere' })).toMatchObject({
      inactiveReason: InactiveReason.WRONG_AUDIENCE,
    });
    const { responses } = await service
      .auth()
      .batchValidateTokens({ requests: [{ token: cookie }, { token: `${cookie}x` }] }, gateway);
    expect(responses.map(({ active }) => active)).toEqual([true, false]);

    // What a gateway asks for keeps the session alive.
    pass(6 * DAY_MS);
    await ask();
    await service.app.sessionDirectory.idle();
    pass(6 * DAY_MS);
    expect((await ask()).active).toBe(true);
    await browser.auth.logout({});
    expect(await ask()).toMatchObject({ active: false, inactiveReason: InactiveReason.REVOKED });
  });

  it('says nothing on stale knowledge, and the cookie stays', async () => {
    const { browser } = await page();
    clock.advance(6_000);
    expect(await reasonOf(getMe(browser))).toBe('REVOCATIONS_STALE');
    expect(browser.cookie).toBeDefined();
    pass(0);
    await getMe(browser);
  });
});
