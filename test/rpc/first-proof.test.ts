// The first proof of an address: an attacker who registered it keeps no access, the owner keeps everything.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { byPassword } from '../support/proofs.ts';
import { eventuallyPasses } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { nextEmail, tokenIn } from '../support/mailbox.ts';
import { mailedAccounts, NEW_PASSWORD, reasonOf } from '../support/mailed-accounts.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import type { Protocol, TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, PROTOCOLS, signIn, startTestService } from '../support/service.ts';
import { totpCode } from '../support/totp.ts';

const WRONG = 'Wrong-Horse-42-Staple!';
const SCOPES = ['account:read', 'account:write'];

const clock = new FakeClock(Date.now());
let service: TestService;
let accounts: ReturnType<typeof mailedAccounts>;
beforeAll(async () => {
  service = await startTestService({ clock });
  accounts = mailedAccounts(service, clock);
});
afterAll(() => service.stop());
beforeEach(() => accounts.advance(60_000));

const exchange = (secret: string) => service.auth().exchangeApiKey({}, { headers: { 'x-api-key': secret } });
const login = (identifier: string, password: string) => service.auth().login({ identifier, password });
const outcomeOf = async (identifier: string, password: string) =>
  (await login(identifier, password)).outcome.case;

/** Registers an address, and makes everything on the account by which one could get in later. */
async function squatter() {
  const account = await accounts.newAccount();
  const { caller } = account;
  const verification = await accounts.verifyTokenFor(account.email);
  const { secret: apiKey } = await service
    .user()
    .createApiKey({ displayName: 'kept', scopes: SCOPES }, caller);
  const { secret } = await service.user().enrollTotp(byPassword(), caller);
  await service.user().confirmTotp({ code: totpCode(secret, clock.now()) }, caller);
  const { accessToken: short } = await exchange(apiKey);
  const change = await accounts.changeTokenFor(caller, `squatter-${account.email}`);
  const { outcome } = await login(account.email, GOOD_PASSWORD);
  if (outcome.case !== 'mfaChallenge') throw new Error('no challenge');
  return { ...account, verification, apiKey, short, change, secret, challenge: outcome.value.mfaToken };
}

async function expectNothingLeft(
  stranger: Awaited<ReturnType<typeof squatter>>,
  protocol: Protocol = 'grpc',
) {
  const [auth, user] = [service.auth(protocol), service.user(protocol)];
  const { email, tokens, caller, apiKey, short, change, challenge, secret } = stranger;
  expect(await reasonOf(user.getMe({}, caller))).toBe('TOKEN_REVOKED');
  expect(await reasonOf(auth.refreshToken({ refreshToken: tokens.refreshToken }))).toBe('TOKEN_REVOKED');
  expect(await reasonOf(exchange(apiKey))).toBe('TOKEN_REVOKED');
  expect(await reasonOf(user.getMe({}, bearer(short)))).toBe('TOKEN_REVOKED');
  expect(await reasonOf(login(email, GOOD_PASSWORD))).toBe('INVALID_CREDENTIALS');
  const factor = { case: 'totpCode', value: totpCode(secret, clock.now() + 30_000) } as const;
  expect(await reasonOf(auth.verifyMfa({ mfaToken: challenge, factor }))).toBe('TOKEN_INVALID');
  expect(await reasonOf(user.confirmEmailChange({ token: change }, caller))).toBe('TOKEN_REVOKED');
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('a reset ends what an attacker made, and asks the owner for no code of the attacker’s', async () => {
    const stranger = await squatter();
    const { id, email } = stranger;
    const token = await accounts.resetTokenFor(email);
    await service.auth(protocol).resetPassword({ token, newPassword: NEW_PASSWORD, keepApiKeys: true });
    const { outcome } = await login(email, NEW_PASSWORD);
    if (outcome.case !== 'tokens') throw new Error(`login answered ${outcome.case ?? 'nothing'}`);
    await expectNothingLeft(stranger, protocol);
    const owner = bearer(outcome.value.accessToken);
    const confirm = service.user(protocol).confirmEmailChange({ token: stranger.change }, owner);
    expect(await reasonOf(confirm)).toBe('TOKEN_INVALID');
    expect((await service.user().getMe({}, owner)).user).toMatchObject({
      email,
      emailVerified: true,
      mfaEnabled: false,
    });
    expect(await accounts.eventsOf(id, 'account.first_proof')).toMatchObject([
      { outcome: 'success', details: { mfa_ended: 'true', api_keys_ended: '1', password_ended: 'false' } },
    ]);
    const { text } = await nextEmail(service, email, /password was changed/);
    expect(text).toContain('second factor that was set up before has ended');
  });

  it('so does the link of the registration, which ends the password and mails a link for another', async () => {
    const stranger = await squatter();
    const { id, email, verification } = stranger;
    const verify = () => service.auth(protocol).verifyEmail({ token: verification });
    expect((await verify()).mustSetPassword).toBe(true);
    await expectNothingLeft(stranger, protocol);
    const token = tokenIn(await nextEmail(service, email, /choose a password/));
    // A second use changes nothing, the new link least of all.
    expect((await verify()).mustSetPassword).toBe(true);
    await service.auth(protocol).resetPassword({ token, newPassword: NEW_PASSWORD });
    expect((await verify()).mustSetPassword).toBe(false);
    expect(await outcomeOf(email, NEW_PASSWORD)).toBe('tokens');
    expect(await accounts.eventsOf(id, 'account.first_proof')).toHaveLength(1);
    expect(await accounts.eventsOf(id, 'account.email_verification')).toHaveLength(1);
  });

  it('a caller with the password of the account keeps all of it', async () => {
    const own = await squatter();
    const verify = { token: own.verification, password: GOOD_PASSWORD };
    expect((await service.auth(protocol).verifyEmail(verify)).mustSetPassword).toBe(false);
    expect((await service.user().getMe({}, own.caller)).user).toMatchObject({
      emailVerified: true,
      mfaEnabled: true,
    });
    await exchange(own.apiKey);
    expect(await outcomeOf(own.email, GOOD_PASSWORD)).toBe('mfaChallenge');
    expect(await accounts.eventsOf(own.id, 'account.first_proof')).toEqual([]);
  });

  it('so does a session of the account, and no session of another', async () => {
    const [own, other] = [await squatter(), await squatter()];
    const verify = (caller: ReturnType<typeof bearer>) =>
      service.auth(protocol).verifyEmail({ token: own.verification }, caller);
    expect((await verify(own.caller)).mustSetPassword).toBe(false);
    await exchange(own.apiKey);
    const third = await squatter();
    const stranger = service.auth(protocol).verifyEmail({ token: third.verification }, other.caller);
    expect((await stranger).mustSetPassword).toBe(true);
    await expectNothingLeft(third, protocol);
  });
});

it('a token that was exchanged for a key of the account is no login', async () => {
  const stranger = await squatter();
  const proof = await service.auth().verifyEmail({ token: stranger.verification }, bearer(stranger.short));
  expect(proof.mustSetPassword).toBe(true);
  await expectNothingLeft(stranger);
});

it('a wrong password proves nothing, uses nothing up, and counts toward the lockout', async () => {
  const { email, id } = await accounts.newAccount();
  const token = await accounts.verifyTokenFor(email);
  const verify = (password: string) => service.auth().verifyEmail({ token, password });
  for (let failure = 0; failure < 5; failure += 1)
    expect(await refusalOf(verify(WRONG))).toMatchObject({
      code: 'Unauthenticated',
      reason: 'INVALID_CREDENTIALS',
    });
  expect(await reasonOf(verify(GOOD_PASSWORD))).toBe('ACCOUNT_LOCKED');
  expect((await service.app.users.findById(id))?.emailVerified).toBe(false);
  const refused = await accounts.eventsOf(id, 'account.email_verification');
  expect(refused.map(({ reason }) => reason)).toEqual([
    ...Array.from({ length: 5 }, () => 'INVALID_CREDENTIALS'),
    'ACCOUNT_LOCKED',
  ]);
  expect((await service.auth().verifyEmail({ token })).mustSetPassword).toBe(true);
});

it('of 50 uses of one link at once, one changes something and all succeed', async () => {
  const { email, id } = await accounts.newAccount();
  const token = await accounts.verifyTokenFor(email);
  const proofs = await Promise.all(Array.from({ length: 50 }, () => service.auth().verifyEmail({ token })));
  expect(new Set(proofs.map(({ mustSetPassword }) => mustSetPassword))).toEqual(new Set([true]));
  expect(await accounts.eventsOf(id, 'account.first_proof')).toHaveLength(1);
  await eventuallyPasses(async () => {
    const states = (await accounts.mailStates(email)).filter((state) => state.startsWith('address_proved'));
    expect(states).toEqual(['address_proved sent']);
  });
});

it('a later proof ends no factor: the mailbox alone opens no account that was proved before', async () => {
  const own = await squatter();
  await service.auth().verifyEmail({ token: own.verification, password: GOOD_PASSWORD });
  const token = await accounts.resetTokenFor(own.email);
  await service.auth().resetPassword({ token, newPassword: NEW_PASSWORD, keepApiKeys: true });
  expect(await outcomeOf(own.email, NEW_PASSWORD)).toBe('mfaChallenge');
  await exchange(own.apiKey);
  expect(await accounts.eventsOf(own.id, 'account.first_proof')).toEqual([]);
});

it('a login that races the proof with the old password leaves no session', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { email } = await accounts.newAccount();
    const token = await accounts.verifyTokenFor(email);
    const [raced] = await Promise.allSettled([signIn(service, email), service.auth().verifyEmail({ token })]);
    if (raced.status === 'rejected') continue;
    const { accessToken, refreshToken } = raced.value;
    expect(await reasonOf(service.user().getMe({}, bearer(accessToken)))).toBe('TOKEN_REVOKED');
    expect(await reasonOf(service.auth().refreshToken({ refreshToken }))).toBe('TOKEN_REVOKED');
  }
});
