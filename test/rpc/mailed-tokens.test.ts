// Holds what hangs on a link from a mail: each is good for one act, for one account, once, and for its time.

import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import type { ActionPurpose } from '../../src/domain/action-token/action-token.ts';
import { ACTION_TOKEN_TTL_MS } from '../../src/domain/action-token/action-token.ts';
import { eventually, eventuallyPasses } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { nextLetter, sentLetters, tokenIn } from '../support/mailbox.ts';
import { containing } from '../support/matchers.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import {
  bearer,
  GOOD_PASSWORD,
  PROTOCOLS,
  signIn,
  signUp,
  startTestService,
  type TestService,
} from '../support/service.ts';

const NEW_PASSWORD = 'Another-Horse-43-Staple!';
const MINUTE_MS = 60_000;

let service: TestService;
const clock = new FakeClock(Date.now());
beforeAll(async () => {
  service = await startTestService({ clock, variables: { PUBLIC_URL: 'https://id.example.com/auth' } });
});
afterAll(() => service.stop());

/** Moves time on, until the service knows again which tokens are revoked. */
async function advance(ms: number) {
  clock.advance(ms);
  await eventually(() => service.app.revocationIndex.isFresh());
}

let count = 0;
/** A new account: registered and logged in, its first letter not yet read. */
async function newAccount() {
  count += 1;
  const name = `person-${count}`;
  const tokens = await signUp(service, name);
  const email = `${name}@example.com`;
  const { user } = await service.user().getMe({}, bearer(tokens.accessToken));
  return { email, tokens, id: user?.id ?? '', caller: bearer(tokens.accessToken) };
}
const tables = () => service.app.database.tables;
const setStatus = (id: string, status: string) =>
  tables().updateTable('users').set({ status }).where('id', '=', id).execute();
const reasonOf = async (call: Promise<unknown>) => (await refusalOf(call)).reason;
const eventsOf = async (accountId: string, kind: string) =>
  tables()
    .selectFrom('audit_events')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('kind', '=', kind)
    .execute();
const mailStates = async (to: string) =>
  (await tables().selectFrom('outbox_mails').selectAll().where('recipient', '=', to).execute()).map(
    ({ letter, state }) => `${letter['template']} ${state}`,
  );

async function resetTokenFor(email: string) {
  await service.auth().requestPasswordReset({ email });
  return tokenIn(await nextLetter(service, email, /new password/));
}
async function changeTokenFor(account: Awaited<ReturnType<typeof newAccount>>, newEmail: string) {
  await service.user().startEmailChange({ newEmail }, account.caller);
  return tokenIn(await nextLetter(service, newEmail, /new e-mail address/));
}
const verifyTokenFor = async (email: string) =>
  tokenIn(await nextLetter(service, email, /Confirm your e-mail/));

describe('a reset link', () => {
  it.each(PROTOCOLS)('sets a password once, over %s', async (protocol) => {
    const { email, tokens, id } = await newAccount();
    const auth = service.auth(protocol);
    await auth.requestPasswordReset({ email });
    const letter = await nextLetter(service, email, /new password/);
    expect(letter.text).toMatch(/^https:\/\/id\.example\.com\/auth\/reset-password#token=lkpr_[\w-]{64}$/m);
    const token = tokenIn(letter);
    await auth.resetPassword({ token, newPassword: NEW_PASSWORD });
    expect(await reasonOf(auth.resetPassword({ token, newPassword: NEW_PASSWORD }))).toBe('TOKEN_INVALID');
    // Every session is dead, at once.
    expect(await reasonOf(service.user().getMe({}, bearer(tokens.accessToken)))).toBe('TOKEN_REVOKED');
    const refresh = auth.refreshToken({ refreshToken: tokens.refreshToken });
    expect(await reasonOf(refresh)).toBe('TOKEN_REVOKED');
    expect(await reasonOf(auth.login({ identifier: email, password: GOOD_PASSWORD }))).toBe(
      'INVALID_CREDENTIALS',
    );
    const { outcome } = await auth.login({ identifier: email, password: NEW_PASSWORD });
    expect(outcome.case).toBe('tokens');
    const { text } = await nextLetter(service, email, /password was changed/);
    expect(text).toContain('Hello Test Person,');
    expect(await eventsOf(id, 'account.password_reset')).toMatchObject([{ outcome: 'success' }]);
    expect(await eventsOf(id, 'account.password_reset_request')).toMatchObject([{ outcome: 'success' }]);
    // The mail proved the address.
    expect((await service.app.users.findById(id))?.emailVerified).toBe(true);
  });

  it('survives a password that is refused', async () => {
    const { email } = await newAccount();
    const token = await resetTokenFor(email);
    for (const newPassword of ['short', email]) {
      const refusal = await refusalOf(service.auth().resetPassword({ token, newPassword }));
      expect(refusal).toMatchObject({ code: 'InvalidArgument', fields: containing(['new_password']) });
    }
    await service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
  });

  it('is used by one of 50 at once', async () => {
    const { email, id } = await newAccount();
    const token = await resetTokenFor(email);
    const calls = Array.from({ length: 50 }, (_, index) =>
      service.auth().resetPassword({ token, newPassword: `${NEW_PASSWORD}-${index}` }),
    );
    const endings = await Promise.allSettled(calls);
    const winners = endings.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []));
    expect(winners).toHaveLength(1);
    const losers = calls.filter((_, index) => !winners.includes(index)).map(reasonOf);
    expect(new Set(await Promise.all(losers))).toEqual(new Set(['TOKEN_INVALID']));
    const password = `${NEW_PASSWORD}-${winners[0] ?? ''}`;
    expect((await service.auth().login({ identifier: email, password })).outcome.case).toBe('tokens');
    expect(await eventsOf(id, 'account.password_reset')).toHaveLength(1);
  });

  it('expires after an hour, and a newer one ends it', async () => {
    const { email, id } = await newAccount();
    const old = await resetTokenFor(email);
    await advance(MINUTE_MS);
    const newer = await resetTokenFor(email);
    const reset = (token: string) => service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
    expect(await reasonOf(reset(old))).toBe('TOKEN_INVALID');
    await advance(60 * MINUTE_MS);
    expect(await reasonOf(reset(newer))).toBe('TOKEN_EXPIRED');
    expect(await eventsOf(id, 'account.password_reset')).toMatchObject([
      { outcome: 'refused', reason: 'TOKEN_EXPIRED' },
    ]);
  });

  it('is no good for an account that is not active any more', async () => {
    const { email, id } = await newAccount();
    const token = await resetTokenFor(email);
    const reset = () => service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
    for (const status of ['suspended', 'deleted']) {
      await setStatus(id, status);
      expect(await reasonOf(reset())).toBe('TOKEN_INVALID');
    }
    await setStatus(id, 'active');
    await reset();
  });

  it('clears no lock', async () => {
    const { email, id } = await newAccount();
    const { lockouts } = service.app;
    const rule = { maxFailures: 1, lockMs: 15 * MINUTE_MS };
    await lockouts.count(`user:${id}`, clock.now(), { ...rule, maxFailures: 2 });
    await lockouts.count(`user:${id}`, clock.now(), { ...rule, maxFailures: 2 });
    const token = await resetTokenFor(email);
    await service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
    expect(await lockouts.lockedUntil(`user:${id}`, clock.now())).toBeGreaterThan(clock.now());
  });

  it('proves no address but the one it went to', async () => {
    const { email, id } = await newAccount();
    const token = await resetTokenFor(email);
    const other = { email: `moved-${email}`, email_key: `moved-${email}` };
    await tables().updateTable('users').set(other).where('id', '=', id).execute();
    await service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
    expect((await service.app.users.findById(id))?.emailVerified).toBe(false);
  });

  it('goes to nobody who has no active account, and the caller cannot tell', async () => {
    const { email, id } = await newAccount();
    await setStatus(id, 'suspended');
    for (const address of [email, 'nobody@example.com']) {
      expect(await service.auth().requestPasswordReset({ email: address })).toEqual(
        await service.auth().requestPasswordReset({ email: 'root@example.com' }),
      );
      await eventuallyPasses(async () => {
        await service.app.mailSender.run();
        expect(await mailStates(address)).toContain('password_reset dropped');
      });
    }
    const letters = (await sentLetters(service)).filter(({ to }) => to === 'nobody@example.com');
    expect(letters).toEqual([]);
    expect(await eventsOf(id, 'account.password_reset_request')).toMatchObject([
      { outcome: 'refused', reason: 'ACCOUNT_SUSPENDED' },
    ]);
  });

  it('goes to the address as the account has it, however it was typed', async () => {
    const { email } = await newAccount();
    await service.auth().requestPasswordReset({ email: email.toUpperCase() });
    await nextLetter(service, email, /new password/);
    const typed = (await sentLetters(service)).filter(({ to }) => to === email.toUpperCase());
    expect(typed).toEqual([]);
  });
});

describe('a verification link', () => {
  it('comes with the registration, names nobody, and proves the address once', async () => {
    const { email, id, caller } = await newAccount();
    const letter = await nextLetter(service, email, /Confirm your e-mail/);
    expect(letter.text).toMatch(/^https:\/\/id\.example\.com\/auth\/verify-email#token=lkev_[\w-]{64}$/m);
    expect(letter.text + letter.html).not.toContain('Test Person');
    const token = tokenIn(letter);
    await service.auth().verifyEmail({ token });
    expect((await service.user().getMe({}, caller)).user?.emailVerified).toBe(true);
    expect(await reasonOf(service.auth().verifyEmail({ token }))).toBe('TOKEN_INVALID');
    expect(await eventsOf(id, 'account.email_verification')).toMatchObject([{ outcome: 'success' }]);
    // Nothing is left to prove.
    await service.auth().sendEmailVerification({ email });
    await eventuallyPasses(async () => {
      await service.app.mailSender.run();
      expect(await mailStates(email)).toContain('verify_email dropped');
    });
  });

  it('can be asked for again, which ends the one before; a day is its time', async () => {
    const { email } = await newAccount();
    const first = await verifyTokenFor(email);
    await service.auth().sendEmailVerification({ email });
    const second = await verifyTokenFor(email);
    expect(await reasonOf(service.auth().verifyEmail({ token: first }))).toBe('TOKEN_INVALID');
    await advance(ACTION_TOKEN_TTL_MS.email_verification - 1);
    await service.auth().verifyEmail({ token: second });
    const late = await newAccount();
    const token = await verifyTokenFor(late.email);
    await advance(ACTION_TOKEN_TTL_MS.email_verification);
    expect(await reasonOf(service.auth().verifyEmail({ token }))).toBe('TOKEN_EXPIRED');
  });

  it('proves nothing when the account has another address by then, or is not active', async () => {
    const { email, id } = await newAccount();
    const token = await verifyTokenFor(email);
    await setStatus(id, 'suspended');
    expect(await reasonOf(service.auth().verifyEmail({ token }))).toBe('TOKEN_INVALID');
    await setStatus(id, 'active');
    const other = { email: `moved-${email}`, email_key: `moved-${email}` };
    await tables().updateTable('users').set(other).where('id', '=', id).execute();
    expect(await reasonOf(service.auth().verifyEmail({ token }))).toBe('TOKEN_INVALID');
    expect((await service.app.users.findById(id))?.emailVerified).toBe(false);
  });
});

describe('a change of address', () => {
  it.each(PROTOCOLS)('counts once the new mailbox has answered, over %s', async (protocol) => {
    const account = await newAccount();
    const { email, id, caller } = account;
    const newEmail = `New-${email}`;
    const reset = await resetTokenFor(email);
    const verification = await verifyTokenFor(email);
    const user = service.user(protocol);
    await user.startEmailChange({ newEmail }, caller);
    const letter = await nextLetter(service, newEmail, /new e-mail address/);
    expect(letter.text).toMatch(/^https:\/\/id\.example\.com\/auth\/confirm-email#token=lkec_[\w-]{64}$/m);
    expect((await user.getMe({}, caller)).user).toMatchObject({ email, emailVerified: false });
    const confirmed = await user.confirmEmailChange({ token: tokenIn(letter) }, caller);
    expect(confirmed.user).toMatchObject({ id, email: newEmail, emailVerified: true });
    expect((await user.getMe({}, caller)).user).toEqual(confirmed.user);
    expect((await signIn(service, newEmail)).accessToken).not.toBe('');
    expect(await reasonOf(signIn(service, email))).toBe('INVALID_CREDENTIALS');
    // The old address is told; what went to it is dead.
    expect((await nextLetter(service, email, /address was changed/)).text).toContain('N…@example.com');
    const resetPassword = service.auth().resetPassword({ token: reset, newPassword: NEW_PASSWORD });
    expect(await reasonOf(resetPassword)).toBe('TOKEN_INVALID');
    expect(await reasonOf(service.auth().verifyEmail({ token: verification }))).toBe('TOKEN_INVALID');
    expect(await eventsOf(id, 'account.email_change')).toMatchObject([{ outcome: 'success', actor_id: id }]);
    expect(await eventsOf(id, 'account.email_change_request')).toMatchObject([{ outcome: 'success' }]);
  });

  it('is refused to everyone but the account that asked', async () => {
    const account = await newAccount();
    const stranger = await newAccount();
    const token = await changeTokenFor(account, `new-${account.email}`);
    const confirm = (caller: typeof account.caller) => service.user().confirmEmailChange({ token }, caller);
    expect(await reasonOf(confirm(stranger.caller))).toBe('TOKEN_INVALID');
    expect((await confirm(account.caller)).user?.id).toBe(account.id);
  });

  it('to an address that is taken: the caller cannot tell, its owner is told, nobody gets a link', async () => {
    const account = await newAccount();
    const owner = await newAccount();
    expect(
      await service.user().startEmailChange({ newEmail: owner.email.toUpperCase() }, account.caller),
    ).toEqual(await service.user().startEmailChange({ newEmail: 'free@example.com' }, account.caller));
    const letter = await nextLetter(service, owner.email, /tried to use your address/);
    expect(letter.text).not.toContain('token');
    // The asker's own list of events says the same for either.
    const events = await eventsOf(account.id, 'account.email_change_request');
    expect(events.map(({ outcome }) => outcome)).toEqual(['success', 'success']);
    expect(await eventsOf(owner.id, 'account.email_change_request')).toMatchObject([
      { outcome: 'refused', reason: 'EMAIL_TAKEN' },
    ]);
  });

  it('to the present address is refused', async () => {
    const { email, caller } = await newAccount();
    const call = service.user().startEmailChange({ newEmail: email.toUpperCase() }, caller);
    expect(await refusalOf(call)).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['new_email'] });
  });

  it('is refused when another account got the address meanwhile', async () => {
    const account = await newAccount();
    const newEmail = `wanted-${account.email}`;
    const token = await changeTokenFor(account, newEmail);
    await service.auth().register({ email: newEmail, password: GOOD_PASSWORD, fullName: 'Faster Person' });
    const call = service.user().confirmEmailChange({ token }, account.caller);
    expect(await refusalOf(call)).toMatchObject({ code: 'AlreadyExists', reason: 'EMAIL_TAKEN' });
    expect((await service.app.users.findById(account.id))?.email).toBe(account.email);
  });

  it('is confirmed by one of 50 at once', async () => {
    const account = await newAccount();
    const token = await changeTokenFor(account, `raced-${account.email}`);
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
    expect(endings.filter((ending) => ending === 'ok')).toHaveLength(1);
    expect(new Set(endings)).toEqual(new Set(['ok', 'Unauthenticated']));
  });

  it('dies with a reset of the password', async () => {
    const account = await newAccount();
    const token = await changeTokenFor(account, `late-${account.email}`);
    const reset = await resetTokenFor(account.email);
    await service.auth().resetPassword({ token: reset, newPassword: NEW_PASSWORD });
    const { outcome } = await service.auth().login({ identifier: account.email, password: NEW_PASSWORD });
    if (outcome.case !== 'tokens') throw new Error('no tokens');
    const call = service.user().confirmEmailChange({ token }, bearer(outcome.value.accessToken));
    expect(await reasonOf(call)).toBe('TOKEN_INVALID');
  });
});

describe('a token of one purpose', () => {
  const PURPOSES: readonly ActionPurpose[] = [
    'password_reset',
    'email_verification',
    'email_change',
    'mfa_challenge',
  ];
  const uses = {
    password_reset: (token: string) => service.auth().resetPassword({ token, newPassword: NEW_PASSWORD }),
    email_verification: (token: string) => service.auth().verifyEmail({ token }),
    email_change: (token: string, caller: ReturnType<typeof bearer>) =>
      service.user().confirmEmailChange({ token }, caller),
  };

  it.each(PURPOSES)('%s is no good for any other', async (purpose) => {
    const { id, caller, email } = await newAccount();
    const tokenId = newId();
    const { text, digest } = service.app.actionTokenCodec.create(purpose, tokenId);
    const [createTime, expireTime] = [clock.now(), clock.now() + MINUTE_MS];
    const payload = { emailKey: email, email };
    await service.app.actionTokens.insert({
      id: tokenId,
      purpose,
      userId: id,
      digest,
      payload,
      createTime,
      expireTime,
    });
    for (const [use, call] of Object.entries(uses)) {
      if (use === purpose) continue;
      expect(await reasonOf(call(text, caller))).toBe('TOKEN_INVALID');
      // Nor under the other's prefix.
      const [otherPrefix = ''] = service.app.actionTokenCodec
        .create(use as ActionPurpose, newId())
        .text.split('_');
      expect(await reasonOf(call(otherPrefix + text.slice(text.indexOf('_')), caller))).toBe('TOKEN_INVALID');
    }
    expect(await service.app.actionTokens.find(purpose, { id: tokenId, digest })).toBeDefined();
  });

  it.each(Object.keys(uses) as (keyof typeof uses)[])('%s is no good when it is no token', async (use) => {
    const { caller } = await newAccount();
    for (const text of [
      'x',
      'lkpr_',
      `lkpr_${'A'.repeat(64)}`,
      '\u0000',
      '🔑'.repeat(100),
      'A'.repeat(16_384),
    ]) {
      expect(await reasonOf(uses[use](text, caller))).toBe('TOKEN_INVALID');
    }
  });
});

it('no token stands in the database or is made before its letter is due', async () => {
  const { email } = await newAccount();
  const token = await resetTokenFor(email);
  const dump = JSON.stringify([
    await tables().selectFrom('outbox_mails').selectAll().execute(),
    await tables().selectFrom('audit_events').selectAll().execute(),
    (await tables().selectFrom('action_tokens').selectAll().execute()).map(({ digest, ...row }) => [
      row,
      Buffer.from(digest).toString('base64url'),
    ]),
  ]);
  expect(dump).not.toContain(token);
  expect(dump).not.toContain(token.slice(5));
});
