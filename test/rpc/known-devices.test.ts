// Known devices: failures of other devices do not lock them out, and a device token proves nothing else.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openBrowser, PAGE_ORIGIN, signInByCookie } from '../support/browser.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DAY_MS } from '../support/samples.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import type { Protocol, TestService } from '../support/service.ts';
import { enrolTotp } from '../support/totp.ts';
import { bearer, GOOD_PASSWORD, PROTOCOLS, signUp, startTestService } from '../support/service.ts';

const WRONG = 'Wrong-Horse-42-Staple!';
const OTHER = 'Other-Horse-43-Staple!';
const LOCK_MS = 15 * 60_000;
const TTL_MS = 30 * DAY_MS;

const clock = new FakeClock(Date.now());
let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    clock,
    variables: { DEVICE_TOKEN_TTL: '30d', ALLOWED_ORIGINS: PAGE_ORIGIN },
  });
});
afterAll(() => service.stop());

const attempt = (identifier: string, password: string, deviceToken = '', protocol: Protocol = 'grpc') =>
  service.auth(protocol).login({ identifier, password, deviceToken });
const reasonOf = async (identifier: string, password: string, deviceToken?: string) =>
  (await refusalOf(attempt(identifier, password, deviceToken))).reason;
const logIn = async (identifier: string, password = GOOD_PASSWORD, deviceToken = '') => {
  const { outcome, deviceToken: next } = await attempt(identifier, password, deviceToken);
  if (outcome.case !== 'tokens') throw new Error(`login answered ${outcome.case ?? 'nothing'}`);
  return { ...outcome.value, deviceToken: next };
};
const lockOut = async (identifier: string) => {
  for (let failure = 0; failure < 5; failure += 1) await reasonOf(identifier, WRONG);
  expect(await reasonOf(identifier, GOOD_PASSWORD)).toBe('ACCOUNT_LOCKED');
};
const known = async (name: string) => {
  await signUp(service, name);
  return logIn(name);
};

describe('a known device', () => {
  it.each(PROTOCOLS)('logs in while other clients lock the account, over %s', async (protocol) => {
    const name = `owner-${protocol}`;
    const { deviceToken } = await known(name);
    await lockOut(name);
    await lockOut(`${name}@example.com`);
    const again = await attempt(name, GOOD_PASSWORD, deviceToken, protocol);
    expect(again.outcome.case).toBe('tokens');
    // The next token is as good, and the old one still is; other devices stay locked out.
    await logIn(`${name}@example.com`, GOOD_PASSWORD, again.deviceToken);
    await logIn(name, GOOD_PASSWORD, deviceToken);
    expect(await reasonOf(name, GOOD_PASSWORD)).toBe('ACCOUNT_LOCKED');
  });

  it('has five failures of its own, and then counts as an unknown device', async () => {
    const { deviceToken } = await known('clumsy');
    const other = await logIn('clumsy');
    for (let failure = 0; failure < 5; failure += 1)
      expect(await reasonOf('clumsy', WRONG, deviceToken)).toBe('INVALID_CREDENTIALS');
    // Its own are used up, those of other devices are not; another device of the owner's has its own.
    for (let failure = 0; failure < 5; failure += 1)
      expect(await reasonOf('clumsy', WRONG, deviceToken)).toBe('INVALID_CREDENTIALS');
    expect(await reasonOf('clumsy', GOOD_PASSWORD, deviceToken)).toBe('ACCOUNT_LOCKED');
    await logIn('clumsy', GOOD_PASSWORD, other.deviceToken);
    clock.advance(LOCK_MS);
    await logIn('clumsy', GOOD_PASSWORD, deviceToken);
  });

  it('begins to count anew after a success', async () => {
    let { deviceToken } = await known('wavering');
    for (let round = 0; round < 3; round += 1) {
      for (let failure = 0; failure < 4; failure += 1) await reasonOf('wavering', WRONG, deviceToken);
      ({ deviceToken } = await logIn('wavering', GOOD_PASSWORD, deviceToken));
    }
  });

  it('guesses no more at once than in turn', async () => {
    const { deviceToken } = await known('raced');
    const guesses = Array.from({ length: 50 }, () => reasonOf('raced', WRONG, deviceToken));
    const reasons = await Promise.all(guesses);
    const told = reasons.filter((reason) => reason === 'INVALID_CREDENTIALS').length;
    expect(reasons.filter((reason) => reason === 'ACCOUNT_LOCKED')).toHaveLength(50 - told);
    // Five on its own counter; those that came after its lock are counted on the shared one.
    expect(told).toBeGreaterThanOrEqual(5);
    expect(told).toBeLessThanOrEqual(10);
  });

  it('is no other account, and a forged or foreign token is as good as none', async () => {
    const { deviceToken } = await known('thief');
    await signUp(service, 'victim');
    const changed = deviceToken.slice(0, -2) + (deviceToken.endsWith('AA') ? 'BB' : 'AA');
    await lockOut('victim');
    for (const token of [deviceToken, changed, 'lkdt_', 'x'.repeat(16_000), '\u0000'])
      expect(await reasonOf('victim', GOOD_PASSWORD, token)).toBe('ACCOUNT_LOCKED');
    // The same answers for an account that is not there.
    for (const token of ['', deviceToken, changed])
      expect(await reasonOf('absent-one', WRONG, token)).toBe('INVALID_CREDENTIALS');
    for (let failure = 0; failure < 2; failure += 1) await reasonOf('absent-one', WRONG, deviceToken);
    expect(await reasonOf('absent-one', WRONG, deviceToken)).toBe('ACCOUNT_LOCKED');
  });

  it('opens no session by itself', async () => {
    const { deviceToken } = await known('unproved');
    expect(await reasonOf('unproved', WRONG, deviceToken)).toBe('INVALID_CREDENTIALS');
    const validated = await refusalOf(service.user().getMe({}, bearer(deviceToken)));
    expect(validated.reason).toBe('TOKEN_INVALID');
  });

  it('expires', async () => {
    const { deviceToken } = await known('absent-for-long');
    clock.advance(TTL_MS - 1);
    await lockOut('absent-for-long');
    const { deviceToken: fresh } = await logIn('absent-for-long', GOOD_PASSWORD, deviceToken);
    clock.advance(1);
    expect(await reasonOf('absent-for-long', GOOD_PASSWORD, deviceToken)).toBe('ACCOUNT_LOCKED');
    await logIn('absent-for-long', GOOD_PASSWORD, fresh);
  });

  it.each(['logging out everywhere', 'a changed password', 'a suspension'])(
    'is ended by %s',
    async (what) => {
      const name = `ended-${what.replaceAll(' ', '-')}`;
      const { accessToken, deviceToken } = await known(name);
      let password = GOOD_PASSWORD;
      service.app.revocationIndex.markFresh(clock.now());
      if (what === 'logging out everywhere') await service.auth().logoutAll({}, bearer(accessToken));
      if (what === 'a changed password') {
        const input = { currentPassword: GOOD_PASSWORD, newPassword: OTHER };
        await service.user().changePassword(input, bearer(accessToken));
        password = OTHER;
      }
      if (what === 'a suspension') {
        const root = await logIn('root@example.com', service.secrets?.adminPassword ?? '');
        const id = (await service.app.users.findByIdentifier(name))?.id ?? '';
        await service.admin().suspendUser({ userId: id, reason: 'test' }, bearer(root.accessToken));
        await service.admin().reactivateUser({ userId: id }, bearer(root.accessToken));
      }
      for (let failure = 0; failure < 5; failure += 1) await reasonOf(name, WRONG);
      expect(await reasonOf(name, password, deviceToken)).toBe('ACCOUNT_LOCKED');
      clock.advance(LOCK_MS);
      service.app.revocationIndex.markFresh(clock.now());
      const { deviceToken: next } = await logIn(name, password, deviceToken);
      for (let failure = 0; failure < 5; failure += 1) await reasonOf(name, WRONG);
      await logIn(name, password, next);
    },
  );
});

describe('a device whose account changed its credentials', () => {
  it('is known by the token of a changed password, and not by the one before', async () => {
    const { deviceToken: before, accessToken } = await known('changed');
    const passwords = { currentPassword: GOOD_PASSWORD, newPassword: OTHER };
    const { deviceToken } = await service.user().changePassword(passwords, bearer(accessToken));
    await lockOut('changed');
    expect(await reasonOf('changed', OTHER, before)).toBe('ACCOUNT_LOCKED');
    await logIn('changed', OTHER, deviceToken);
  });

  it('is one device however often that is changed in a session', async () => {
    let { accessToken } = await known('often');
    const devices = new Set<string | undefined>();
    for (const [currentPassword, newPassword] of [
      [GOOD_PASSWORD, OTHER],
      [OTHER, GOOD_PASSWORD],
    ] as const) {
      const passwords = { currentPassword, newPassword };
      const { tokens, deviceToken } = await service.user().changePassword(passwords, bearer(accessToken));
      accessToken = tokens?.accessToken ?? '';
      devices.add(service.app.deviceTokenCodec.read(deviceToken)?.deviceId);
    }
    expect(devices.size).toBe(1);
  });

  it('is known by the token of a second factor, and not by the one before', async () => {
    const { deviceToken: before, accessToken } = await known('second');
    const { deviceToken } = await enrolTotp(service, accessToken);
    await lockOut('second');
    expect(await reasonOf('second', GOOD_PASSWORD, before)).toBe('ACCOUNT_LOCKED');
    const { outcome } = await attempt('second', GOOD_PASSWORD, deviceToken);
    expect(outcome.case).toBe('mfaChallenge');
  });

  it('is known by the cookie, where it came by one', async () => {
    await signUp(service, 'page');
    const browser = openBrowser(service);
    await signInByCookie(browser, 'page');
    const passwords = { currentPassword: GOOD_PASSWORD, newPassword: OTHER };
    const { deviceToken } = await browser.user.changePassword(passwords);
    expect(deviceToken).toBe('');
    const [pair = ''] = browser.deviceCookies.at(-1)?.split(';') ?? [];
    await lockOut('page');
    const later = openBrowser(service);
    later.headers.set('cookie', pair);
    const { outcome } = await later.auth.login({ identifier: 'page', password: OTHER, useCookie: true });
    expect(outcome.case).toBe('tokens');
  });
});

describe('a browser', () => {
  it.each(['connect', 'grpc-web'] as const)(
    'keeps its device token in a cookie, over %s',
    async (protocol) => {
      const name = `page-${protocol}`;
      await signUp(service, name);
      const browser = openBrowser(service, protocol);
      await signInByCookie(browser, name);
      const [line] = browser.deviceCookies;
      expect(line).toMatch(
        /^__Host-latchkey-device=lkdt_[\w-]{100}; Path=\/; HttpOnly; Secure; SameSite=Strict; Max-Age=2592000$/,
      );
      const [pair = ''] = line?.split(';') ?? [];
      await lockOut(name);
      const input = { identifier: name, password: GOOD_PASSWORD, useCookie: true };
      expect((await refusalOf(openBrowser(service, protocol).auth.login(input))).reason).toBe(
        'ACCOUNT_LOCKED',
      );
      const later = openBrowser(service, protocol);
      later.headers.set('cookie', `theme=dark; ${pair}`);
      const { outcome, deviceToken } = await later.auth.login(input);
      expect(outcome.case).toBe('tokens');
      expect(deviceToken).toBe('');
      // From a page elsewhere no cookie counts.
      const elsewhere = openBrowser(service, protocol, 'https://elsewhere.example');
      elsewhere.headers.set('cookie', pair);
      const plain = { identifier: name, password: GOOD_PASSWORD };
      expect((await refusalOf(elsewhere.auth.login(plain))).reason).toBe('ACCOUNT_LOCKED');
    },
  );

  it('gets no such cookie with tokens', async () => {
    await signUp(service, 'script');
    const browser = openBrowser(service);
    const { deviceToken } = await browser.auth.login({ identifier: 'script', password: GOOD_PASSWORD });
    expect(deviceToken).toMatch(/^lkdt_/);
    expect([...browser.setCookies, ...browser.deviceCookies]).toEqual([]);
  });
});
