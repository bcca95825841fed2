// What administrators' calls do to an account, over gRPC and Connect: what works before, what is refused afterwards, and what is written down.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserStatus } from '../../gen/latchkey/v1/user_pb.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { eventually } from '../support/eventually.ts';
import { nextEmail } from '../support/mailbox.ts';
import { reasonOf } from '../support/mailed-accounts.ts';
import { firstAdministrator, member, type Member } from '../support/members.ts';
import { endingOf, refusalOf } from '../support/rpc-calls.ts';
import {
  bearer,
  GOOD_PASSWORD,
  signIn,
  startTestService,
  type Protocol,
  type TestService,
} from '../support/service.ts';
import { challengeOf, enrolTotp, signInWithTotp } from '../support/totp.ts';

const MINUTE_MS = 60_000;

let service: TestService;
let root: Member;
let names = 0;
const clock = new FakeClock(Date.now());
beforeAll(async () => {
  service = await startTestService({ clock });
  root = await firstAdministrator(service);
});
afterAll(() => service.stop());

const person = (role = 'user') => member(service, `person-${(names += 1)}`, role);
const tables = () => service.app.database.tables;
const eventsOf = (accountId: string, kind: string) =>
  tables()
    .selectFrom('audit_events')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('kind', '=', kind)
    .orderBy('id')
    .execute();

/** Every kind of credential of the account, and the ways in that it has begun. */
async function everyCredential({ email, accessToken, refreshToken, options }: Member) {
  const { secret } = await service
    .user()
    .createApiKey({ displayName: 'A', scopes: ['account:read'] }, options);
  const key = { headers: { 'x-api-key': secret } };
  const { accessToken: exchanged } = await service.auth().exchangeApiKey({}, key);
  const other = await signIn(service, email);
  const getMe = (options: Parameters<ReturnType<TestService['user']>['getMe']>[1]) =>
    service.user().getMe({}, options);
  return {
    accessToken: () => getMe(bearer(accessToken)),
    otherSession: () => getMe(bearer(other.accessToken)),
    refreshToken: () => service.auth().refreshToken({ refreshToken }),
    exchanged: () => getMe(bearer(exchanged)),
    apiKey: () => service.auth().exchangeApiKey({}, key),
  };
}

type Credentials = Readonly<Record<string, () => Promise<unknown>>>;

/** 'OK' or why each is refused; the refresh token is left alone until it must be dead. */
async function endings(credentials: Credentials) {
  const told = Object.entries(credentials).map(
    async ([name, call]) => [name, (await endingOf(call())).split(' ')[1] ?? 'OK'] as const,
  );
  return Object.fromEntries(await Promise.all(told));
}

const ALL_DEAD = {
  accessToken: 'TOKEN_REVOKED',
  otherSession: 'TOKEN_REVOKED',
  refreshToken: 'TOKEN_REVOKED',
  exchanged: 'TOKEN_REVOKED',
  apiKey: 'TOKEN_REVOKED',
};

describe.each(['grpc', 'connect'] as const satisfies Protocol[])('over %s', (protocol) => {
  const admin = () => service.admin(protocol);

  it('SuspendUser revokes every credential at once; ReactivateUser admits password and API keys again', async () => {
    const owner = await person();
    const credentials = await everyCredential(owner);
    const request = { userId: owner.id, reason: ' abuse ' };
    const { user } = await admin().suspendUser(request, root.options);
    expect(user).toMatchObject({ id: owner.id, status: UserStatus.SUSPENDED });
    expect(await endings(credentials)).toEqual(ALL_DEAD);
    const login = () => service.auth().login({ identifier: owner.email, password: GOOD_PASSWORD });
    expect(await reasonOf(login())).toBe('ACCOUNT_SUSPENDED');
    expect(await admin().getUser({ userId: owner.id }, root.options)).toMatchObject({
      suspensionReason: 'abuse',
      hasPassword: true,
    });
    // Again: the same answer, the first reason, no second event.
    const again = await admin().suspendUser({ userId: owner.id, reason: 'other' }, root.options);
    expect(again.user).toEqual(user);
    expect(await admin().getUser({ userId: owner.id }, root.options)).toMatchObject({
      suspensionReason: 'abuse',
    });
    expect(await eventsOf(owner.id, 'account.suspend')).toMatchObject([
      { outcome: 'success', actor_id: root.id, target_id: owner.id, details: { reason: 'abuse' } },
    ]);

    for (let round = 0; round < 2; round += 1) {
      const answer = await admin().reactivateUser({ userId: owner.id, reason: 'sorry' }, root.options);
      expect(answer.user).toMatchObject({ status: UserStatus.ACTIVE });
    }
    expect(await eventsOf(owner.id, 'account.reactivate')).toMatchObject([
      { outcome: 'success', actor_id: root.id, details: { reason: 'sorry' } },
    ]);
    expect(await admin().getUser({ userId: owner.id }, root.options)).toMatchObject({ suspensionReason: '' });
    expect(await endings(credentials)).toEqual({ ...ALL_DEAD, apiKey: 'OK' });
    expect((await login()).outcome.case).toBe('tokens');
  });

  it('SetUserRole ends sessions and tokens, and API keys when a scope is lost', async () => {
    const owner = await person();
    const credentials = await everyCredential(owner);
    const raise = { userId: owner.id, role: 'moderator' };
    const { user } = await admin().setUserRole(raise, root.options);
    expect(user).toMatchObject({ role: 'moderator' });
    expect(await endings(credentials)).toEqual({ ...ALL_DEAD, apiKey: 'OK' });
    const { accessToken, scopes } = await signIn(service, owner.email);
    expect(scopes).toContain('audit:read');
    // The role that it has already is no change.
    await admin().setUserRole(raise, root.options);
    await service.user().getMe({}, bearer(accessToken));

    await admin().setUserRole({ userId: owner.id, role: 'user' }, root.options);
    expect(await reasonOf(service.user().getMe({}, bearer(accessToken)))).toBe('TOKEN_REVOKED');
    expect(await endings(credentials)).toEqual(ALL_DEAD);
    expect(await eventsOf(owner.id, 'account.role_change')).toMatchObject([
      { actor_id: root.id, details: { from: 'user', to: 'moderator' } },
      { actor_id: root.id, details: { from: 'moderator', to: 'user' } },
    ]);
  });

  it('SetUserRole and ResetUserMfa ask for a recent login', async () => {
    const [owner, colleague] = [await person(), await person('admin')];
    clock.advance(5 * MINUTE_MS + 6_000);
    await eventually(() => service.app.revocationIndex.isFresh());
    const { options } = colleague;
    const promotion = admin().setUserRole({ userId: owner.id, role: 'moderator' }, options);
    expect(await reasonOf(promotion)).toBe('STEP_UP_REQUIRED');
    expect(await reasonOf(admin().resetUserMfa({ userId: owner.id }, options))).toBe('STEP_UP_REQUIRED');
    await admin().suspendUser({ userId: owner.id }, options);
    root = await firstAdministrator(service);
  });

  it('DeleteUser ends everything of an active or a suspended account, and frees its names', async () => {
    for (const isSuspended of [false, true]) {
      const owner = await person();
      const credentials = await everyCredential(owner);
      if (isSuspended) await admin().suspendUser({ userId: owner.id }, root.options);
      await admin().deleteUser({ userId: owner.id }, root.options);
      expect(await endings(credentials)).toEqual(ALL_DEAD);
      expect(await reasonOf(admin().getUser({ userId: owner.id }, root.options))).toBe('USER_NOT_FOUND');
      expect(await reasonOf(admin().deleteUser({ userId: owner.id }, root.options))).toBe('USER_NOT_FOUND');
      expect(
        (await eventsOf(owner.id, 'account.delete')).map(({ outcome, actor_id }) => [outcome, actor_id]),
      ).toEqual([
        ['success', root.id],
        ['refused', root.id],
      ]);
      await nextEmail(service, owner.email, /was deleted/);
      const { user } = await admin().createUser({ email: owner.email, fullName: 'Next' }, root.options);
      expect(user?.id).not.toBe(owner.id);
    }
  });

  it('UnlockUser lifts a lock that runs, and deletes failures that have not locked yet', async () => {
    const owner = await person();
    const wrong = () => reasonOf(service.auth().login({ identifier: owner.email, password: 'wrong' }));
    for (let failure = 0; failure < 5; failure += 1) await wrong();
    expect(await wrong()).toBe('ACCOUNT_LOCKED');
    const { lockedUntil } = await admin().getUser({ userId: owner.id }, root.options);
    expect(Number(lockedUntil?.seconds) * 1_000).toBeGreaterThan(clock.now());
    for (let round = 0; round < 2; round += 1) {
      await admin().unlockUser({ userId: owner.id }, root.options);
      expect(await eventsOf(owner.id, 'account.unlock')).toHaveLength(1);
    }
    expect((await admin().getUser({ userId: owner.id }, root.options)).lockedUntil).toBeUndefined();
    for (let failure = 0; failure < 4; failure += 1) expect(await wrong()).toBe('INVALID_CREDENTIALS');
    await admin().unlockUser({ userId: owner.id }, root.options);
    for (let failure = 0; failure < 4; failure += 1) expect(await wrong()).toBe('INVALID_CREDENTIALS');
    await signIn(service, owner.email);
  });

  it('ResetUserMfa turns the second factor off and ends everything; an email says who did it', async () => {
    const owner = await person();
    const factor = await enrolTotp(service, owner.accessToken);
    const tokens = await signInWithTotp(service, owner.email, factor.code(1));
    const credentials = await everyCredentialOf(owner, tokens.accessToken);
    const challenge = await challengeOf(service, owner.email);
    await admin().resetUserMfa({ userId: owner.id, reason: 'lost phone' }, root.options);
    expect(new Set(Object.values(await endings(credentials)))).toEqual(new Set(['TOKEN_REVOKED']));
    const late = { case: 'backupCode', value: factor.backupCodes[0] ?? '' } as const;
    expect(await reasonOf(service.auth().verifyMfa({ mfaToken: challenge, factor: late }))).toBe(
      'TOKEN_INVALID',
    );
    await signIn(service, owner.email);
    const { text } = await nextEmail(service, owner.email, /second factor is off/);
    expect(text).toContain('an administrator has turned off');
    expect(text).not.toContain('127.0.0.1');
    expect(await reasonOf(admin().resetUserMfa({ userId: owner.id }, root.options))).toBe('MFA_NOT_ENABLED');
    expect(await eventsOf(owner.id, 'mfa.reset')).toMatchObject([
      { outcome: 'success', actor_id: root.id, details: { reason: 'lost phone' } },
      { outcome: 'refused', reason: 'MFA_NOT_ENABLED' },
    ]);
    // Also of a suspended account.
    const suspended = await person();
    await enrolTotp(service, suspended.accessToken);
    await admin().suspendUser({ userId: suspended.id }, root.options);
    await admin().resetUserMfa({ userId: suspended.id }, root.options);
    expect((await service.app.users.findById(suspended.id))?.mfaEnabled).toBe(false);
  });

  async function everyCredentialOf(owner: Member, accessToken: string) {
    const { secret } = await service
      .user()
      .createApiKey({ displayName: 'A', scopes: ['account:read'] }, bearer(accessToken));
    const key = { headers: { 'x-api-key': secret } };
    await service.auth().exchangeApiKey({}, key);
    return {
      first: () => service.user().getMe({}, owner.options),
      second: () => service.user().getMe({}, bearer(accessToken)),
      apiKey: () => service.auth().exchangeApiKey({}, key),
    };
  }

  it('ListUserSessions and RevokeUserSessions: one, and all', async () => {
    const owner = await person();
    for (let index = 0; index < 3; index += 1) await signIn(service, owner.email);
    const list = (pageToken = '') =>
      admin().listUserSessions({ userId: owner.id, pageSize: 3, pageToken }, root.options);
    const first = await list();
    const second = await list(first.nextPageToken);
    expect([first.sessions.length, second.sessions.length, second.nextPageToken]).toEqual([3, 2, '']);
    const stranger = await person();
    const foreign = admin().listUserSessions(
      { userId: stranger.id, pageToken: first.nextPageToken },
      root.options,
    );
    expect((await refusalOf(foreign)).fields).toEqual(['page_token']);

    const own = await service.user().listSessions({}, owner.options);
    const theirs = own.sessions.find(({ current }) => current)?.id ?? '';
    const revoke = (sessionId: string, userId = owner.id) =>
      admin().revokeUserSessions({ userId, sessionId }, root.options);
    expect(await reasonOf(revoke(theirs, stranger.id))).toBe('SESSION_NOT_FOUND');
    await service.user().getMe({}, owner.options);
    await revoke(theirs);
    expect(await reasonOf(service.user().getMe({}, owner.options))).toBe('TOKEN_REVOKED');
    expect(await reasonOf(revoke(theirs))).toBe('SESSION_NOT_FOUND');
    expect((await list()).sessions.map(({ id }) => id)).not.toContain(theirs);
    const revocations = await eventsOf(owner.id, 'session.revoke');
    expect(revocations.map(({ outcome, actor_id, target_id }) => [outcome, actor_id, target_id])).toEqual([
      ['success', root.id, theirs],
      ['refused', root.id, theirs],
    ]);

    const owner2 = { ...owner, ...(await signIn(service, owner.email)) };
    const credentials = await everyCredential({ ...owner2, options: bearer(owner2.accessToken) });
    await revoke('');
    expect(await endings(credentials)).toEqual({ ...ALL_DEAD, apiKey: 'OK' });
    expect((await list()).sessions).toEqual([]);
    expect(await eventsOf(owner.id, 'session.logout_all')).toMatchObject([{ actor_id: root.id }]);
    expect(await reasonOf(admin().listUserSessions({ userId: theirs }, root.options))).toBe('USER_NOT_FOUND');
  });

  it('the owner reads what was done, and not from where', async () => {
    const owner = await person();
    await admin().updateUser({ userId: owner.id, user: { fullName: 'B' } }, root.options);
    const { events } = await service.user().listSecurityEvents({}, owner.options);
    expect(events.find(({ kind }) => kind === 'account.update')).toMatchObject({
      actorId: root.id,
      ipAddress: '',
      userAgent: '',
    });
  });
});
