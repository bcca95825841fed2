// Reauthenticate: the same session, a later time of login, by tokens and by cookie.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeJwt } from 'jose';
import { ageRotation } from '../support/age-rotation.ts';
import { BROWSER_PROTOCOLS, openBrowser, PAGE_ORIGIN, signInByCookie } from '../support/browser.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { mailedAccounts, reasonOf } from '../support/mailed-accounts.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import type { TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, PROTOCOLS, startTestService } from '../support/service.ts';
import { enrolTotp, wrongCode } from '../support/totp.ts';

const WRONG = 'Wrong-Horse-42-Staple!';
const LATER_MS = 6 * 60_000;

const clock = new FakeClock(Math.ceil(Date.now() / 1000) * 1000);
let service: TestService;
let accounts: ReturnType<typeof mailedAccounts>;
beforeAll(async () => {
  service = await startTestService({ clock, variables: { ALLOWED_ORIGINS: PAGE_ORIGIN } });
  accounts = mailedAccounts(service, clock);
});
afterAll(() => service.stop());
beforeEach(() => accounts.advance(60_000));

const byPassword = (value = GOOD_PASSWORD) => ({ firstFactor: { case: 'password', value } as const });
const withCode = (value: string) => ({ ...byPassword(), secondFactor: { case: 'totpCode', value } as const });
const makeKey = (caller: ReturnType<typeof bearer>) =>
  service.user().createApiKey({ displayName: 'job', scopes: ['account:read'] }, caller);

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('raises the time of login of the same session', async () => {
    const { id, tokens, caller } = await accounts.newAccount();
    await accounts.advance(LATER_MS);
    const refused = await refusalOf(makeKey(caller));
    expect(refused).toMatchObject({ reason: 'STEP_UP_REQUIRED' });
    expect(refused.message).toContain('Reauthenticate');
    const { tokens: next } = await service.auth(protocol).reauthenticate(byPassword(), caller);
    if (next === undefined) throw new Error('no tokens');
    expect(next.sessionId).toBe(tokens.sessionId);
    await makeKey(bearer(next.accessToken));
    const { sessions } = await service.user(protocol).listSessions({}, bearer(next.accessToken));
    expect(sessions.map(({ id: sessionId }) => sessionId)).toEqual([tokens.sessionId]);
    expect(decodeJwt(next.accessToken)).toMatchObject({ auth_time: clock.now() / 1000, amr: ['pwd'] });
    // The token before is as old as it was, and the next refresh is as new.
    expect(await reasonOf(makeKey(caller))).toBe('STEP_UP_REQUIRED');
    const refreshed = await service.auth(protocol).refreshToken({ refreshToken: next.refreshToken });
    await makeKey(bearer(refreshed.tokens?.accessToken ?? ''));
    expect(await accounts.eventsOf(id, 'session.reauthenticate')).toMatchObject([
      { outcome: 'success', actor_id: id, target_id: tokens.sessionId },
    ]);
  });

  it('spends the refresh token as a refresh does: a lost answer forks nothing, a late use is theft', async () => {
    const { tokens, caller } = await accounts.newAccount();
    const { tokens: next } = await service.auth(protocol).reauthenticate(byPassword(), caller);
    const old = () => service.auth(protocol).refreshToken({ refreshToken: tokens.refreshToken });
    expect((await old()).tokens?.refreshToken).toBe(next?.refreshToken);
    await ageRotation(service.app.database, tokens.sessionId, 11_000);
    expect(await reasonOf(old())).toBe('REFRESH_TOKEN_REUSED');
  });

  it('asks an account with a second factor for both, and says what was proved', async () => {
    const { tokens, caller } = await accounts.newAccount();
    const factor = await enrolTotp(service, tokens.accessToken);
    const auth = service.auth(protocol);
    expect(await refusalOf(auth.reauthenticate(byPassword(), caller))).toMatchObject({
      reason: 'VALIDATION_FAILED',
      fields: ['second_factor'],
    });
    const wrong = withCode(wrongCode(factor.secret, clock.now()));
    expect(await reasonOf(auth.reauthenticate(wrong, caller))).toBe('MFA_CODE_INVALID');
    expect(await reasonOf(auth.reauthenticate(withCode(factor.code()), caller))).toBe('MFA_CODE_INVALID');
    const right = withCode(factor.code(1));
    const { tokens: next } = await auth.reauthenticate(right, caller);
    expect(new Set(decodeJwt<{ amr: string[] }>(next?.accessToken ?? '').amr)).toEqual(
      new Set(['pwd', 'otp', 'mfa']),
    );
    expect(await reasonOf(auth.reauthenticate(right, bearer(next?.accessToken ?? '')))).toBe(
      'MFA_CODE_INVALID',
    );
  });

  it('refuses what proves nothing', async () => {
    const { caller } = await accounts.newAccount();
    const auth = service.auth(protocol);
    expect(await refusalOf(auth.reauthenticate({}, caller))).toMatchObject({ fields: ['first_factor'] });
    expect(await reasonOf(auth.reauthenticate(withCode('123456'), caller))).toBe('MFA_NOT_ENABLED');
    expect(await reasonOf(auth.reauthenticate(byPassword()))).toBe('TOKEN_MISSING');
    const { secret } = await makeKey(caller);
    const { accessToken } = await service.auth().exchangeApiKey({}, { headers: { 'x-api-key': secret } });
    const exchanged = auth.reauthenticate(byPassword(), bearer(accessToken));
    expect(await reasonOf(exchanged)).toBe('CREDENTIAL_NOT_ALLOWED');
  });
});

it('locks after five wrong passwords, and a right one begins the count anew', async () => {
  const { id, caller, tokens } = await accounts.newAccount();
  const auth = service.auth();
  const guess = (value: string, options = caller) =>
    reasonOf(auth.reauthenticate(byPassword(value), options));
  for (let failure = 0; failure < 4; failure += 1) expect(await guess(WRONG)).toBe('INVALID_CREDENTIALS');
  const { tokens: next } = await auth.reauthenticate(byPassword(), caller);
  const again = bearer(next?.accessToken ?? tokens.accessToken);
  for (let failure = 0; failure < 5; failure += 1)
    expect(await guess(WRONG, again)).toBe('INVALID_CREDENTIALS');
  expect(await guess(GOOD_PASSWORD, again)).toBe('ACCOUNT_LOCKED');
  const reasons = (await accounts.eventsOf(id, 'session.reauthenticate')).map(({ reason }) => reason);
  expect(reasons.filter((reason) => reason === 'INVALID_CREDENTIALS')).toHaveLength(9);
  expect(reasons.at(-1)).toBe('ACCOUNT_LOCKED');
});

it.each(BROWSER_PROTOCOLS)('replaces the cookie of a browser, over %s', async (protocol) => {
  const { email } = await accounts.newAccount();
  const browser = openBrowser(service, protocol);
  await signInByCookie(browser, email);
  const old = browser.cookie;
  await accounts.advance(LATER_MS);
  const key = () => browser.user.createApiKey({ displayName: 'job', scopes: ['account:read'] });
  expect(await reasonOf(key())).toBe('STEP_UP_REQUIRED');
  const { tokens } = await browser.auth.reauthenticate(byPassword());
  expect(tokens).toMatchObject({ accessToken: '', refreshToken: '' });
  expect(browser.cookie).not.toBe(old);
  await key();
  const thief = openBrowser(service, protocol);
  thief.cookie = old;
  expect(await reasonOf(thief.user.getMe({}))).toBe('TOKEN_INVALID');
});

it('leaves nothing to a caller who raced a change of the password with the old one', async () => {
  const { caller } = await accounts.newAccount();
  const [proved] = await Promise.allSettled([
    service.auth().reauthenticate(byPassword(), caller),
    service
      .user()
      .changePassword({ currentPassword: GOOD_PASSWORD, newPassword: 'Another-Horse-43-Staple!' }, caller),
  ]);
  if (proved.status === 'rejected') return;
  const token = proved.value.tokens?.accessToken ?? '';
  expect(await reasonOf(service.user().getMe({}, bearer(token)))).toBe('TOKEN_REVOKED');
});
