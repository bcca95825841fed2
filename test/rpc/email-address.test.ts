// Proving an address and changing it, by links that were mailed to it.

import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ACTION_TOKEN_TTL_MS } from '../../src/domain/action-token/action-token.ts';
import { byPassword } from '../support/proofs.ts';
import { eventuallyPasses } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { nextEmail, tokenIn } from '../support/mailbox.ts';
import { mailedAccounts, NEW_PASSWORD, reasonOf } from '../support/mailed-accounts.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import {
  bearer,
  GOOD_PASSWORD,
  PROTOCOLS,
  signIn,
  startTestService,
  type TestService,
} from '../support/service.ts';

let service: TestService;
let mailed: ReturnType<typeof mailedAccounts>;
const clock = new FakeClock(Date.now());
beforeAll(async () => {
  service = await startTestService({ clock, variables: { PUBLIC_URL: 'https://id.example.com/auth' } });
  mailed = mailedAccounts(service, clock);
});
afterAll(() => service.stop());

describe('a verification link', () => {
  it('comes with the registration, names no person, and proves the address once', async () => {
    const { email, id, caller } = await mailed.newAccount();
    const message = await nextEmail(service, email, /Confirm your e-mail/);
    expect(message.text).toMatch(/^https:\/\/id\.example\.com\/auth\/verify-email#token=lkev_[\w-]{64}$/m);
    expect(message.text + message.html).not.toContain('Test Person');
    const token = tokenIn(message);
    const proof = await service.auth().verifyEmail({ token }, caller);
    expect(proof.mustSetPassword).toBe(false);
    expect((await service.user().getMe({}, caller)).user?.emailVerified).toBe(true);
    // Pages that mount twice, and scanners that follow links: the second use is no error, and no event.
    expect((await service.auth().verifyEmail({ token })).mustSetPassword).toBe(false);
    expect(await mailed.eventsOf(id, 'account.email_verification')).toMatchObject([{ outcome: 'success' }]);
    // Nothing is left to prove.
    await service.auth().sendEmailVerification({ email });
    await eventuallyPasses(async () => {
      await service.app.mailSender.run();
      expect(await mailed.mailStates(email)).toContain('verify_email dropped');
    });
  });

  it('can be asked for again, which ends the one before; a day is its time', async () => {
    const { email } = await mailed.newAccount();
    const first = await mailed.verifyTokenFor(email);
    await service.auth().sendEmailVerification({ email });
    const second = await mailed.verifyTokenFor(email);
    expect(await reasonOf(service.auth().verifyEmail({ token: first }))).toBe('TOKEN_INVALID');
    await mailed.advance(ACTION_TOKEN_TTL_MS.email_verification - 1);
    await service.auth().verifyEmail({ token: second });
    const late = await mailed.newAccount();
    const token = await mailed.verifyTokenFor(late.email);
    await mailed.advance(ACTION_TOKEN_TTL_MS.email_verification);
    expect(await reasonOf(service.auth().verifyEmail({ token }))).toBe('TOKEN_EXPIRED');
  });

  it('proves nothing when the account has another address by then, or is not active', async () => {
    const { email, id } = await mailed.newAccount();
    const token = await mailed.verifyTokenFor(email);
    await mailed.setStatus(id, 'suspended');
    expect(await reasonOf(service.auth().verifyEmail({ token }))).toBe('TOKEN_INVALID');
    await mailed.setStatus(id, 'active');
    await mailed.setEmail(id, `moved-${email}`);
    expect(await reasonOf(service.auth().verifyEmail({ token }))).toBe('TOKEN_INVALID');
    expect((await service.app.users.findById(id))?.emailVerified).toBe(false);
  });
});

describe('a change of address', () => {
  it.each(PROTOCOLS)('counts once the new mailbox has answered, over %s', async (protocol) => {
    const account = await mailed.newAccount();
    const { email, id, caller } = account;
    const newEmail = `New-${email}`;
    const reset = await mailed.resetTokenFor(email);
    const verification = await mailed.verifyTokenFor(email);
    const user = service.user(protocol);
    await user.startEmailChange({ newEmail, ...byPassword() }, caller);
    const message = await nextEmail(service, newEmail, /new e-mail address/);
    expect(message.text).toMatch(/^https:\/\/id\.example\.com\/auth\/confirm-email#token=lkec_[\w-]{64}$/m);
    expect((await user.getMe({}, caller)).user).toMatchObject({ email, emailVerified: false });
    const confirmed = await user.confirmEmailChange({ token: tokenIn(message) }, caller);
    expect(confirmed.user).toMatchObject({ id, email: newEmail, emailVerified: true });
    expect((await user.getMe({}, caller)).user).toEqual(confirmed.user);
    expect((await signIn(service, newEmail)).accessToken).not.toBe('');
    expect(await reasonOf(signIn(service, email))).toBe('INVALID_CREDENTIALS');
    // The old address is told; what went to it is dead.
    expect((await nextEmail(service, email, /address was changed/)).text).toContain('N…@example.com');
    const resetPassword = service.auth().resetPassword({ token: reset, newPassword: NEW_PASSWORD });
    expect(await reasonOf(resetPassword)).toBe('TOKEN_INVALID');
    expect(await reasonOf(service.auth().verifyEmail({ token: verification }))).toBe('TOKEN_INVALID');
    expect(await mailed.eventsOf(id, 'account.email_change')).toMatchObject([
      { outcome: 'success', actor_id: id },
    ]);
    expect(await mailed.eventsOf(id, 'account.email_change_request')).toMatchObject([{ outcome: 'success' }]);
  });

  it('is refused to everyone but the account that asked', async () => {
    const account = await mailed.newAccount();
    const stranger = await mailed.newAccount();
    const token = await mailed.changeTokenFor(account.caller, `new-${account.email}`);
    const confirm = (caller: typeof account.caller) => service.user().confirmEmailChange({ token }, caller);
    expect(await reasonOf(confirm(stranger.caller))).toBe('TOKEN_INVALID');
    expect((await confirm(account.caller)).user?.id).toBe(account.id);
  });

  it('to an address that is taken: the caller cannot know, its owner is notified, no link is sent', async () => {
    const account = await mailed.newAccount();
    const owner = await mailed.newAccount();
    expect(
      await service
        .user()
        .startEmailChange({ newEmail: owner.email.toUpperCase(), ...byPassword() }, account.caller),
    ).toEqual(
      await service
        .user()
        .startEmailChange({ newEmail: 'free@example.com', ...byPassword() }, account.caller),
    );
    const message = await nextEmail(service, owner.email, /tried to use your address/);
    expect(message.text).not.toContain('token');
    // The asker's own list of events says the same for either.
    const events = await mailed.eventsOf(account.id, 'account.email_change_request');
    expect(events.map(({ outcome }) => outcome)).toEqual(['success', 'success']);
    expect(await mailed.eventsOf(owner.id, 'account.email_change_request')).toMatchObject([
      { outcome: 'refused', reason: 'EMAIL_TAKEN' },
    ]);
  });

  it('to the present address is refused', async () => {
    const { email, caller } = await mailed.newAccount();
    const call = service.user().startEmailChange({ newEmail: email.toUpperCase(), ...byPassword() }, caller);
    expect(await refusalOf(call)).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['new_email'] });
  });

  it('is refused when another account got the address first', async () => {
    const account = await mailed.newAccount();
    const newEmail = `wanted-${account.email}`;
    const token = await mailed.changeTokenFor(account.caller, newEmail);
    await service.auth().register({ email: newEmail, password: GOOD_PASSWORD, fullName: 'Faster Person' });
    const call = service.user().confirmEmailChange({ token }, account.caller);
    expect(await refusalOf(call)).toMatchObject({ code: 'AlreadyExists', reason: 'EMAIL_TAKEN' });
    expect((await service.app.users.findById(account.id))?.email).toBe(account.email);
  });

  it('is changed by one of 50 at once, and the others get the same answer', async () => {
    const account = await mailed.newAccount();
    const token = await mailed.changeTokenFor(account.caller, `raced-${account.email}`);
    const calls = Array.from({ length: 50 }, () =>
      service
        .user()
        .confirmEmailChange({ token }, account.caller)
        .then(
          () => 'ok',
          (error: unknown) => Code[ConnectError.from(error).code],
        ),
    );
    const endings = await Promise.all(calls);
    expect(new Set(endings)).toEqual(new Set(['ok']));
    expect(await mailed.eventsOf(account.id, 'account.email_change')).toHaveLength(1);
    const told = (await mailed.mailStates(account.email)).filter((state) =>
      state.startsWith('email_changed'),
    );
    expect(told).toHaveLength(1);
  });

  it('is no longer valid once the account has yet another address', async () => {
    const account = await mailed.newAccount();
    const confirm = (token: string) => service.user().confirmEmailChange({ token }, account.caller);
    const token = await mailed.changeTokenFor(account.caller, `first-${account.email}`);
    for (let time = 0; time < 3; time += 1)
      expect((await confirm(token)).user?.email).toBe(`first-${account.email}`);
    await confirm(await mailed.changeTokenFor(account.caller, `second-${account.email}`));
    expect(await reasonOf(confirm(token))).toBe('TOKEN_INVALID');
  });

  it('dies with a reset of the password', async () => {
    const account = await mailed.newAccount();
    const token = await mailed.changeTokenFor(account.caller, `late-${account.email}`);
    const reset = await mailed.resetTokenFor(account.email);
    await service.auth().resetPassword({ token: reset, newPassword: NEW_PASSWORD });
    const { outcome } = await service.auth().login({ identifier: account.email, password: NEW_PASSWORD });
    if (outcome.case !== 'tokens') throw new Error('no tokens');
    const call = service.user().confirmEmailChange({ token }, bearer(outcome.value.accessToken));
    expect(await reasonOf(call)).toBe('TOKEN_INVALID');
  });
});
