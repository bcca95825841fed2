// A reset link: good for one password, once, for an hour, and for active accounts only.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventuallyPasses } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { nextEmail, sentEmails, tokenIn } from '../support/mailbox.ts';
import { containing } from '../support/matchers.ts';
import { mailedAccounts, NEW_PASSWORD, reasonOf } from '../support/mailed-accounts.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { bearer, GOOD_PASSWORD, PROTOCOLS, startTestService, type TestService } from '../support/service.ts';

const MINUTE_MS = 60_000;

let service: TestService;
let mailed: ReturnType<typeof mailedAccounts>;
const clock = new FakeClock(Date.now());
beforeAll(async () => {
  service = await startTestService({ clock, variables: { PUBLIC_URL: 'https://id.example.com/auth' } });
  mailed = mailedAccounts(service, clock);
});
afterAll(() => service.stop());

describe('a reset link', () => {
  it.each(PROTOCOLS)('sets a password once, over %s', async (protocol) => {
    const { email, tokens, id } = await mailed.newAccount();
    const auth = service.auth(protocol);
    await auth.requestPasswordReset({ email });
    const message = await nextEmail(service, email, /new password/);
    expect(message.text).toMatch(/^https:\/\/id\.example\.com\/auth\/reset-password#token=lkpr_[\w-]{64}$/m);
    const token = tokenIn(message);
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
    const { text } = await nextEmail(service, email, /password was changed/);
    expect(text).toContain('Hello Test Person,');
    expect(await mailed.eventsOf(id, 'account.password_reset')).toMatchObject([{ outcome: 'success' }]);
    expect(await mailed.eventsOf(id, 'account.password_reset_request')).toMatchObject([
      { outcome: 'success' },
    ]);
    // The mail proved the address.
    expect((await service.app.users.findById(id))?.emailVerified).toBe(true);
  });

  it('survives a password that is refused', async () => {
    const { email } = await mailed.newAccount();
    const token = await mailed.resetTokenFor(email);
    for (const newPassword of ['short', email]) {
      const refusal = await refusalOf(service.auth().resetPassword({ token, newPassword }));
      expect(refusal).toMatchObject({ code: 'InvalidArgument', fields: containing(['new_password']) });
    }
    await service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
  });

  it('is used by one of 50 at once', async () => {
    const { email, id } = await mailed.newAccount();
    const token = await mailed.resetTokenFor(email);
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
    expect(await mailed.eventsOf(id, 'account.password_reset')).toHaveLength(1);
  });

  it('expires after an hour, and a newer one ends it', async () => {
    const { email, id } = await mailed.newAccount();
    const old = await mailed.resetTokenFor(email);
    await mailed.advance(MINUTE_MS);
    const newer = await mailed.resetTokenFor(email);
    const reset = (token: string) => service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
    expect(await reasonOf(reset(old))).toBe('TOKEN_INVALID');
    await mailed.advance(60 * MINUTE_MS);
    expect(await reasonOf(reset(newer))).toBe('TOKEN_EXPIRED');
    expect(await mailed.eventsOf(id, 'account.password_reset')).toMatchObject([
      { outcome: 'refused', reason: 'TOKEN_EXPIRED' },
    ]);
  });

  it('is no good for an account that is not active any more', async () => {
    const { email, id } = await mailed.newAccount();
    const token = await mailed.resetTokenFor(email);
    const reset = () => service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
    for (const status of ['suspended', 'deleted']) {
      await mailed.setStatus(id, status);
      expect(await reasonOf(reset())).toBe('TOKEN_INVALID');
    }
    await mailed.setStatus(id, 'active');
    await reset();
  });

  it('clears the lock, for it proves the mailbox', async () => {
    const { email, id } = await mailed.newAccount();
    const { lockouts } = service.app;
    const rule = { maxFailures: 1, lockMs: 15 * MINUTE_MS };
    await lockouts.count(`user:${id}`, clock.now(), { ...rule, maxFailures: 2 });
    await lockouts.count(`user:${id}`, clock.now(), { ...rule, maxFailures: 2 });
    const token = await mailed.resetTokenFor(email);
    await service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
    expect((await lockouts.findLocks([`user:${id}`], clock.now())).size).toBe(0);
    const { outcome } = await service.auth().login({ identifier: email, password: NEW_PASSWORD });
    expect(outcome.case).toBe('tokens');
  });

  it('proves no address but the one it went to', async () => {
    const { email, id } = await mailed.newAccount();
    const token = await mailed.resetTokenFor(email);
    await mailed.setEmail(id, `moved-${email}`);
    await service.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
    expect((await service.app.users.findById(id))?.emailVerified).toBe(false);
  });

  it('goes to active accounts only, and the caller cannot know', async () => {
    const { email, id } = await mailed.newAccount();
    await mailed.setStatus(id, 'suspended');
    for (const address of [email, 'nobody@example.com']) {
      expect(await service.auth().requestPasswordReset({ email: address })).toEqual(
        await service.auth().requestPasswordReset({ email: 'root@example.com' }),
      );
      await eventuallyPasses(async () => {
        await service.app.mailSender.run();
        expect(await mailed.mailStates(address)).toContain('password_reset dropped');
      });
    }
    const emails = (await sentEmails(service)).filter(({ to }) => to === 'nobody@example.com');
    expect(emails).toEqual([]);
    expect(await mailed.eventsOf(id, 'account.password_reset_request')).toMatchObject([
      { outcome: 'refused', reason: 'ACCOUNT_SUSPENDED' },
    ]);
  });

  it('goes to the address as the account has it, however it was typed', async () => {
    const { email } = await mailed.newAccount();
    await service.auth().requestPasswordReset({ email: email.toUpperCase() });
    await nextEmail(service, email, /new password/);
    const typed = (await sentEmails(service)).filter(({ to }) => to === email.toUpperCase());
    expect(typed).toEqual([]);
  });
});

it('no token stands in the database or is made before its email is due', async () => {
  const { email } = await mailed.newAccount();
  const token = await mailed.resetTokenFor(email);
  const dump = JSON.stringify([
    await mailed.tables.selectFrom('outbox_mails').selectAll().execute(),
    await mailed.tables.selectFrom('audit_events').selectAll().execute(),
    (await mailed.tables.selectFrom('action_tokens').selectAll().execute()).map(({ digest, ...row }) => [
      row,
      Buffer.from(digest).toString('base64url'),
    ]),
  ]);
  expect(dump).not.toContain(token);
  expect(dump).not.toContain(token.slice(5));
});
