// Invitations, forced resets and changed addresses: what administrators cause to be mailed, and what the links are good for.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserStatus } from '../../gen/latchkey/v1/user_pb.ts';
import { eventuallyPasses } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { nextEmail, sentEmails, tokenIn } from '../support/mailbox.ts';
import { mailedAccounts, NEW_PASSWORD, reasonOf } from '../support/mailed-accounts.ts';
import { firstAdministrator, member, type Member } from '../support/members.ts';
import { endingOf, refusalOf } from '../support/rpc-calls.ts';
import { DAY_MS, MINUTE_MS, sampleUser } from '../support/samples.ts';
import { bearer, GOOD_PASSWORD, startTestService, type TestService } from '../support/service.ts';

let service: TestService;
let mailed: ReturnType<typeof mailedAccounts>;
let root: Member;
let names = 0;
const clock = new FakeClock(Date.now());
beforeAll(async () => {
  service = await startTestService({
    clock,
    variables: { PUBLIC_URL: 'https://id.example.com/auth', REQUIRE_VERIFIED_EMAIL: 'false' },
  });
  mailed = mailedAccounts(service, clock);
  root = await firstAdministrator(service);
});
afterAll(() => service.stop());

const newEmail = () => `invited-${(names += 1)}@example.com`;
const reset = (token: string, newPassword = NEW_PASSWORD) =>
  service.auth().resetPassword({ token, newPassword });
const login = (identifier: string, password = NEW_PASSWORD) => service.auth().login({ identifier, password });
const tokensOf = async (userId: string) =>
  (
    await mailed.tables.selectFrom('action_tokens').select('purpose').where('user_id', '=', userId).execute()
  ).map(({ purpose }) => purpose);
/** Moves time on; the administrator logs in again, for their token has expired. */
async function advance(ms: number) {
  await mailed.advance(ms);
  root = await firstAdministrator(service);
}

describe.each(['grpc', 'connect'] as const)('over %s', (protocol) => {
  const admin = () => service.admin(protocol);
  async function invited(change: { readonly username?: string } = {}) {
    const email = newEmail();
    const { user } = await admin().createUser({ email, fullName: 'Ada Lovelace', ...change }, root.options);
    return { email, id: user?.id ?? '', user };
  }
  const invitationTo = async (email: string) =>
    tokenIn(await nextEmail(service, email, /You have an account here/));

  it('CreateUser mails an invitation that sets a password once and proves the address', async () => {
    const username = `name-${protocol}`;
    const { email, id, user } = await invited({ username });
    expect(user).toMatchObject({
      email,
      username,
      fullName: 'Ada Lovelace',
      role: 'user',
      status: UserStatus.ACTIVE,
      emailVerified: false,
    });
    expect(await admin().getUser({ userId: id }, root.options)).toMatchObject({ user, hasPassword: false });
    for (const password of ['', GOOD_PASSWORD, 'undefined', 'null'])
      expect(await reasonOf(login(email, password))).toMatch(/INVALID_CREDENTIALS|VALIDATION_FAILED/);
    const message = await nextEmail(service, email, /You have an account here/);
    expect(message.text).toMatch(
      /^https:\/\/id\.example\.com\/auth\/accept-invitation#token=lkin_[\w-]{64}$/m,
    );
    const token = tokenIn(message);
    expect(await reasonOf(reset(token, 'short'))).toBe('PASSWORD_POLICY');
    await reset(token);
    expect(await reasonOf(reset(token))).toBe('TOKEN_INVALID');
    const { outcome } = await login(email);
    if (outcome.case !== 'tokens') throw new Error('no tokens');
    const me = await service.user().getMe({}, bearer(outcome.value.accessToken));
    expect(me.user).toMatchObject({ id, emailVerified: true });
    expect(await mailed.eventsOf(id, 'account.create')).toMatchObject([
      { outcome: 'success', actor_id: root.id, target_id: id, details: { role: 'user' } },
    ]);
    expect(await mailed.eventsOf(id, 'account.invitation')).toMatchObject([{ outcome: 'success' }]);
    expect(await mailed.eventsOf(id, 'account.password_reset')).toEqual([]);
  });

  it('an invitation is valid for a week; then a reset is asked for like any other', async () => {
    const { email, id } = await invited();
    const token = await invitationTo(email);
    await advance(7 * DAY_MS);
    expect(await reasonOf(reset(token))).toBe('TOKEN_EXPIRED');
    expect(await mailed.eventsOf(id, 'account.invitation')).toMatchObject([
      { outcome: 'refused', reason: 'TOKEN_EXPIRED' },
    ]);
    await reset(await mailed.resetTokenFor(email));
    expect((await login(email)).outcome.case).toBe('tokens');
  });

  it('a reset by an unauthenticated caller ends no invitation, and whichever is used ends both', async () => {
    const { email, id } = await invited();
    const invitation = await invitationTo(email);
    await mailed.resetTokenFor(email);
    const asked = await mailed.resetTokenFor(email);
    expect((await tokensOf(id)).toSorted()).toEqual(['invitation', 'password_reset']);
    await reset(invitation);
    expect(await tokensOf(id)).toEqual([]);
    expect(await reasonOf(reset(asked))).toBe('TOKEN_INVALID');
    const other = await invited();
    const unused = await invitationTo(other.email);
    await reset(await mailed.resetTokenFor(other.email));
    expect(await reasonOf(reset(unused))).toBe('TOKEN_INVALID');
  });

  it('a reset that an administrator forces ends invitations and resets', async () => {
    const { email, id } = await invited();
    const invitation = await invitationTo(email);
    const asked = await mailed.resetTokenFor(email);
    await admin().forcePasswordReset({ userId: id }, root.options);
    for (const token of [invitation, asked]) expect(await reasonOf(reset(token))).toBe('TOKEN_INVALID');
    await reset(tokenIn(await nextEmail(service, email, /Set a new password/)));
  });

  it('CreateUser reports what is taken, and leaves nothing behind', async () => {
    const taken = await invited({ username: `taken-${protocol}` });
    const again = { email: taken.email.toUpperCase(), fullName: 'B' };
    expect(await refusalOf(admin().createUser(again, root.options))).toMatchObject({
      code: 'AlreadyExists',
      reason: 'EMAIL_TAKEN',
      fields: ['email'],
    });
    const namesake = { email: newEmail(), username: `TAKEN-${protocol}`, fullName: 'B' };
    expect(await refusalOf(admin().createUser(namesake, root.options))).toMatchObject({
      reason: 'USERNAME_TAKEN',
      fields: ['username'],
    });
    expect(await service.app.users.findByIdentifier(namesake.email)).toBeUndefined();
    expect(await mailed.mailStates(namesake.email)).toEqual([]);
    // Of many at once one is made.
    const email = newEmail();
    const endings = await Promise.all(
      Array.from({ length: 10 }, () => endingOf(admin().createUser({ email, fullName: 'C' }, root.options))),
    );
    expect(endings.toSorted()).toEqual([
      ...Array.from({ length: 9 }, () => 'AlreadyExists EMAIL_TAKEN latchkey'),
      'OK',
    ]);
  });

  it('an invitation goes to no account that is barred or gone by then, and to the address that it has by then', async () => {
    const [barred, gone, moved] = [await invitedUnread(), await invitedUnread(), await invitedUnread()];
    await admin().suspendUser({ userId: barred.id }, root.options);
    await admin().deleteUser({ userId: gone.id }, root.options);
    const right = newEmail();
    await admin().updateUser({ userId: moved.id, user: { email: right } }, root.options);
    await advance(MINUTE_MS);
    await eventuallyPasses(async () => {
      await service.app.mailSender.run();
      for (const { email } of [barred, gone])
        expect(await mailed.mailStates(email)).toContain('invitation dropped');
    });
    await reset(await invitationTo(right));
    const emails = await sentEmails(service);
    expect(emails.filter(({ to, subject }) => to === moved.email && /account here/.test(subject))).toEqual(
      [],
    );
  });

  // Due a minute from now, so that something may happen before.
  async function invitedUnread() {
    const made = sampleUser({ passwordHash: undefined, createTime: clock.now() });
    const { id, email } = made;
    await service.app.users.insert(made);
    const content = { template: 'invitation', userId: id } as const;
    const createTime = clock.now() + MINUTE_MS;
    await service.app.outbox.enqueue({ id: service.app.newId(), to: email.text, content, createTime });
    return { email: email.text, id };
  }

  it('ForcePasswordReset takes the password away and mails a link; nothing old works', async () => {
    const owner = await member(service, `forced-${protocol}`);
    const asked = await mailed.resetTokenFor(owner.email);
    await admin().forcePasswordReset({ userId: owner.id, reason: 'leak' }, root.options);
    expect(await reasonOf(service.user().getMe({}, owner.options))).toBe('TOKEN_REVOKED');
    const refresh = service.auth().refreshToken({ refreshToken: owner.refreshToken });
    expect(await reasonOf(refresh)).toBe('TOKEN_REVOKED');
    expect(await reasonOf(login(owner.email, GOOD_PASSWORD))).toBe('INVALID_CREDENTIALS');
    expect(await reasonOf(reset(asked))).toBe('TOKEN_INVALID');
    expect((await admin().getUser({ userId: owner.id }, root.options)).hasPassword).toBe(false);
    const message = await nextEmail(service, owner.email, /Set a new password/);
    expect(message.text).toContain('an administrator asked for a new password');
    expect(message.text).toContain('/reset-password#token=lkpr_');
    await reset(tokenIn(message));
    expect((await login(owner.email)).outcome.case).toBe('tokens');
    expect(await mailed.eventsOf(owner.id, 'account.force_password_reset')).toMatchObject([
      { outcome: 'success', actor_id: root.id, details: { reason: 'leak' } },
    ]);
    await admin().suspendUser({ userId: owner.id }, root.options);
    expect(await reasonOf(admin().forcePasswordReset({ userId: owner.id }, root.options))).toBe(
      'ACCOUNT_SUSPENDED',
    );
  });

  it('a forced link is valid for an hour', async () => {
    const owner = await member(service, `hour-${protocol}`);
    await admin().forcePasswordReset({ userId: owner.id }, root.options);
    const token = tokenIn(await nextEmail(service, owner.email, /Set a new password/));
    await advance(60 * 60_000);
    expect(await reasonOf(reset(token))).toBe('TOKEN_EXPIRED');
  });

  it('a suspended account stays so, whatever link is shown', async () => {
    const owner = await member(service, `barred-${protocol}`);
    const verification = await mailed.verifyTokenFor(owner.email);
    const asked = await mailed.resetTokenFor(owner.email);
    const { email, id } = await invited();
    const invitation = await invitationTo(email);
    for (const userId of [owner.id, id]) await admin().suspendUser({ userId }, root.options);
    const refused = [
      reset(asked),
      reset(invitation),
      service.auth().verifyEmail({ token: verification }),
    ].map(reasonOf);
    expect(await Promise.all(refused)).toEqual(['TOKEN_INVALID', 'TOKEN_INVALID', 'TOKEN_INVALID']);
    for (const userId of [owner.id, id]) {
      expect((await service.app.users.findById(userId))?.status).toBe('suspended');
      await admin().reactivateUser({ userId }, root.options);
    }
    // What was mailed before leads nowhere afterwards.
    expect(await Promise.all([reset(asked), reset(invitation)].map(reasonOf))).toEqual([
      'TOKEN_INVALID',
      'TOKEN_INVALID',
    ]);
  });

  describe('UpdateUser', () => {
    const update = (userId: string, user: object, paths?: readonly string[]) =>
      admin().updateUser(
        { userId, user, ...(paths === undefined ? {} : { updateMask: { paths: [...paths] } }) },
        root.options,
      );

    it('changes an address: unverified, links dead, the old one notified', async () => {
      const owner = await member(service, `moving-${protocol}`);
      await service.auth().verifyEmail({ token: await mailed.verifyTokenFor(owner.email) }, owner.options);
      const asked = await mailed.resetTokenFor(owner.email);
      const address = `moved-${protocol}@Example.org`;
      const { user } = await update(owner.id, { email: address, fullName: 'ignored' }, ['email']);
      expect(user).toMatchObject({ email: address, emailVerified: false, fullName: 'Test Person' });
      expect(await reasonOf(reset(asked))).toBe('TOKEN_INVALID');
      const { text } = await nextEmail(service, owner.email, /address was changed/);
      expect(text).toContain(
        'an administrator has given your account another e-mail address: m…@Example.org',
      );
      expect(text).not.toContain('127.0.0.1');
      expect((await login(address, GOOD_PASSWORD)).outcome.case).toBe('tokens');
      expect(await reasonOf(login(owner.email, GOOD_PASSWORD))).toBe('INVALID_CREDENTIALS');
      expect(await mailed.eventsOf(owner.id, 'account.update')).toMatchObject([
        { outcome: 'success', actor_id: root.id, details: { fields: 'email' } },
      ]);
      // The session goes on.
      await service.user().getMe({}, owner.options);
    });

    it('says that an address is verified, with a change or without one', async () => {
      const owner = await member(service, `verified-${protocol}`);
      const address = `sure-${protocol}@example.org`;
      const both = await update(owner.id, { email: address, emailVerified: true }, [
        'email',
        'email_verified',
      ]);
      expect(both.user).toMatchObject({ email: address, emailVerified: true });
      const kept = await update(owner.id, { email: address }, ['email']);
      expect(kept.user).toMatchObject({ emailVerified: true });
      const spelled = await update(owner.id, { email: address.toUpperCase() });
      expect(spelled.user).toMatchObject({ email: address.toUpperCase(), emailVerified: false });
      expect((await update(owner.id, { emailVerified: true })).user?.emailVerified).toBe(false);
      expect((await update(owner.id, { emailVerified: true }, ['email_verified'])).user?.emailVerified).toBe(
        true,
      );
      expect((await update(owner.id, {}, ['email_verified'])).user?.emailVerified).toBe(false);
    });

    it('sets all four by *, and removes a user name', async () => {
      const owner = await member(service, `star-${protocol}`);
      const all = { email: newEmail(), username: '', fullName: 'Zoë', emailVerified: true };
      expect((await update(owner.id, all, ['*'])).user).toMatchObject(all);
      expect(await reasonOf(update(owner.id, {}, ['*']))).toBe('VALIDATION_FAILED');
    });

    it('makes all the changes or none, and says what is taken', async () => {
      const [owner, other] = [
        await member(service, `all-${protocol}`),
        await member(service, `none-${protocol}`),
      ];
      const change = { fullName: 'Changed', username: `free-${protocol}`, email: other.email.toUpperCase() };
      expect(await refusalOf(update(owner.id, change))).toMatchObject({
        code: 'AlreadyExists',
        reason: 'EMAIL_TAKEN',
        fields: ['user.email'],
      });
      const names = { ...change, email: newEmail(), username: `NONE-${protocol}` };
      expect(await refusalOf(update(owner.id, names))).toMatchObject({
        reason: 'USERNAME_TAKEN',
        fields: ['user.username'],
      });
      expect(await service.app.users.findById(owner.id)).toMatchObject({
        fullName: 'Test Person',
        username: `all-${protocol}`,
        email: owner.email,
      });
      expect(
        new Set((await mailed.eventsOf(owner.id, 'account.update')).map(({ reason }) => reason)),
      ).toEqual(new Set(['EMAIL_TAKEN', 'USERNAME_TAKEN']));
    });

    it('names every path that cannot be set', async () => {
      const owner = await member(service, `mask-${protocol}`);
      for (const path of ['role', 'status', 'id', 'mfa_enabled', 'create_time', 'password', 'nonsense']) {
        const refusal = await refusalOf(update(owner.id, { role: 'admin' }, [path]));
        expect(refusal).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['update_mask'] });
        expect(refusal.message).toContain(`"${path}"`);
      }
      const many = Array.from({ length: 101 }, () => 'email_verified');
      expect((await refusalOf(update(owner.id, {}, many))).fields).toEqual(['update_mask']);
      const unchanged = await update(owner.id, { role: 'admin', id: root.id });
      expect(unchanged.user).toMatchObject({ id: owner.id, role: 'user' });
    });
  });

  it('every missing field is named at once', async () => {
    const fields = async (call: Promise<unknown>) => (await refusalOf(call)).fields.toSorted();
    expect(await fields(admin().createUser({}, root.options))).toEqual(['email', 'full_name']);
    expect(await fields(admin().setUserRole({}, root.options))).toEqual(['role', 'user_id']);
    const calls = [
      admin().getUser({}, root.options),
      admin().updateUser({}, root.options),
      admin().deleteUser({}, root.options),
      admin().suspendUser({}, root.options),
      admin().reactivateUser({}, root.options),
      admin().unlockUser({}, root.options),
      admin().forcePasswordReset({}, root.options),
      admin().resetUserMfa({}, root.options),
      admin().listUserSessions({}, root.options),
      admin().revokeUserSessions({}, root.options),
    ];
    const named = await Promise.all(calls.map(fields));
    expect(named).toEqual(calls.map(() => ['user_id']));
    const reason = 'x'.repeat(501);
    expect(await fields(admin().suspendUser({ userId: root.id, reason }, root.options))).toEqual(['reason']);
    for (const role of ['A', 'a', '1ab', 'ab c', 'x'.repeat(51), 'Admin', '../x'])
      expect(await fields(admin().setUserRole({ userId: root.id, role }, root.options))).toEqual(['role']);
  });
});

it('where verified addresses are required, no login succeeds before the invitation is used', async () => {
  const strict = await startTestService({ variables: { REQUIRE_VERIFIED_EMAIL: 'true' } });
  try {
    const admin = await firstAdministrator(strict);
    const email = 'strict@example.com';
    await strict.admin().createUser({ email, fullName: 'A' }, admin.options);
    const token = tokenIn(await nextEmail(strict, email, /You have an account here/));
    await strict.auth().resetPassword({ token, newPassword: NEW_PASSWORD });
    const { outcome } = await strict.auth().login({ identifier: email, password: NEW_PASSWORD });
    expect(outcome.case).toBe('tokens');
  } finally {
    await strict.stop();
  }
});
