// Logins with the password that an account had before: refused, and no guess.

import { afterAll, beforeAll, expect, it } from 'vitest';

import { accountCounterKeys } from '../../src/domain/lockout/failure-counter.ts';
import { SUPERSEDED_FOR_MS } from '../../src/domain/password/superseded-password.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { mailedAccounts, NEW_PASSWORD, reasonOf } from '../support/mailed-accounts.ts';
import { firstAdministrator } from '../support/members.ts';
import type { Protocol, TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, PROTOCOLS, signIn, startTestService } from '../support/service.ts';

const NEWEST_PASSWORD = 'Third-Horse-44-Staple!';
const WRONG = 'Wrong-Horse-42-Staple!';
const KNOCKS = 12;

const clock = new FakeClock(Date.now());
let service: TestService;
let accounts: ReturnType<typeof mailedAccounts>;
beforeAll(async () => {
  service = await startTestService({ clock });
  accounts = mailedAccounts(service, clock);
});
afterAll(() => service.stop());

const login = (identifier: string, password: string, protocol?: Protocol) =>
  service.auth(protocol).login({ identifier, password });
const knock = async (identifier: string, password: string, times = KNOCKS) => {
  for (let time = 0; time < times; time += 1)
    expect(await reasonOf(login(identifier, password))).toBe('INVALID_CREDENTIALS');
};
const change = async (currentPassword: string, newPassword: string, email: string) => {
  const { outcome } = await login(email, currentPassword);
  if (outcome.case !== 'tokens') throw new Error('no tokens');
  await service.user().changePassword({ currentPassword, newPassword }, bearer(outcome.value.accessToken));
};
const logsIn = async (identifier: string, password: string) =>
  expect((await login(identifier, password)).outcome.case).toBe('tokens');

it.each(PROTOCOLS)('an old password never locks the account after a change, over %s', async (protocol) => {
  const { email } = await accounts.newAccount();
  await change(GOOD_PASSWORD, NEW_PASSWORD, email);
  for (let time = 0; time < KNOCKS; time += 1)
    expect(await reasonOf(login(email, GOOD_PASSWORD, protocol))).toBe('INVALID_CREDENTIALS');
  await logsIn(email, NEW_PASSWORD);
});

it('nor after a reset by mail, nor after one that an administrator forced', async () => {
  const { email, id } = await accounts.newAccount();
  const token = await accounts.resetTokenFor(email);
  await service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
  await knock(email, GOOD_PASSWORD);
  await logsIn(email, NEW_PASSWORD);
  const root = await firstAdministrator(service);
  await service.admin().forcePasswordReset({ userId: id }, root.options);
  await knock(email, NEW_PASSWORD);
  const keys = accountCounterKeys({ id, email, username: undefined });
  expect((await service.app.lockouts.findLocks(keys, clock.now())).size).toBe(0);
});

it('is written down as a refusal that was no guess', async () => {
  const { email, id } = await accounts.newAccount();
  await change(GOOD_PASSWORD, NEW_PASSWORD, email);
  await knock(email, GOOD_PASSWORD, 1);
  const refusals = (await accounts.eventsOf(id, 'session.login')).filter(
    ({ outcome }) => outcome === 'refused',
  );
  expect(refusals).toMatchObject([{ reason: 'INVALID_CREDENTIALS' }]);
});

it('wrong passwords count beside it, and lock', async () => {
  const { email } = await accounts.newAccount();
  await change(GOOD_PASSWORD, NEW_PASSWORD, email);
  for (let failure = 0; failure < 5; failure += 1) {
    await knock(email, GOOD_PASSWORD, 2);
    await knock(email, WRONG, 1);
  }
  expect(await reasonOf(login(email, NEW_PASSWORD))).toBe('ACCOUNT_LOCKED');
  expect(await reasonOf(login(email, GOOD_PASSWORD))).toBe('ACCOUNT_LOCKED');
});

it('counts again once another has taken its place, or after a month', async () => {
  const [twice, later] = [await accounts.newAccount(), await accounts.newAccount()];
  for (const { email } of [twice, later]) await change(GOOD_PASSWORD, NEW_PASSWORD, email);
  await change(NEW_PASSWORD, NEWEST_PASSWORD, twice.email);
  await knock(twice.email, NEW_PASSWORD);
  await knock(twice.email, GOOD_PASSWORD, 5);
  expect(await reasonOf(login(twice.email, NEWEST_PASSWORD))).toBe('ACCOUNT_LOCKED');

  await accounts.advance(SUPERSEDED_FOR_MS);
  await knock(later.email, GOOD_PASSWORD, 5);
  expect(await reasonOf(login(later.email, NEW_PASSWORD))).toBe('ACCOUNT_LOCKED');
});

it("another account's old password is a guess like any other", async () => {
  const [changed, other] = [await accounts.newAccount(), await accounts.newAccount()];
  await change(GOOD_PASSWORD, NEW_PASSWORD, changed.email);
  await change(GOOD_PASSWORD, NEWEST_PASSWORD, other.email);
  await knock(changed.email, NEWEST_PASSWORD, 5);
  expect(await reasonOf(login(changed.email, NEW_PASSWORD))).toBe('ACCOUNT_LOCKED');
});

it('costs every failed login one hash more, for known and unknown identifiers', async () => {
  const { email } = await accounts.newAccount();
  const { email: changed } = await accounts.newAccount();
  await change(GOOD_PASSWORD, NEW_PASSWORD, changed);
  const { passwordHasher } = service.app;
  const { verify } = passwordHasher;
  let checks = 0;
  const counting = { ...passwordHasher };
  Object.assign(passwordHasher, {
    verify: (...input: Parameters<typeof verify>) => {
      checks += 1;
      return counting.verify(...input);
    },
  });
  const costOf = async (identifier: string, password: string) => {
    checks = 0;
    await login(identifier, password).catch(() => undefined);
    return checks;
  };
  try {
    for (const identifier of [email, changed, 'nobody@example.com', 'nobody'])
      expect(await costOf(identifier, WRONG)).toBe(2);
    expect(await costOf(changed, GOOD_PASSWORD)).toBe(2);
    expect(await costOf(email, GOOD_PASSWORD)).toBe(1);
  } finally {
    Object.assign(passwordHasher, counting);
  }
});

it('a forced reset clears the lock', async () => {
  const { email, id } = await accounts.newAccount();
  await knock(email, WRONG, 5);
  expect(await reasonOf(signIn(service, email))).toBe('ACCOUNT_LOCKED');
  const root = await firstAdministrator(service);
  await service.admin().forcePasswordReset({ userId: id }, root.options);
  const keys = accountCounterKeys({ id, email, username: undefined });
  expect((await service.app.lockouts.findLocks(keys, clock.now())).size).toBe(0);
});
