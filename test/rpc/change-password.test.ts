// ChangePassword over every protocol: who may, what dies of it, what goes on, and what it leaves behind.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import type { Client } from '@connectrpc/connect';
import { FakeClock } from '../support/fake-clock.ts';
import { eventually } from '../support/eventually.ts';
import { nextEmail } from '../support/mailbox.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { signToken } from '../support/forged-tokens.ts';
import {
  bearer,
  GOOD_PASSWORD,
  PROTOCOLS,
  signIn,
  signUp,
  startTestService,
  type TestService,
} from '../support/service.ts';

const NEW_PASSWORD = 'Quartz-Loom-77-Vortex?';
const MINUTE_MS = 60_000;

let service: TestService;
let clock: FakeClock;
let names = 0;
beforeAll(async () => {
  clock = new FakeClock();
  service = await startTestService({ clock });
});
afterAll(() => service.stop());
beforeEach(async () => {
  await eventually(() => service.app.revocationIndex.isFresh());
});

const newName = () => `person-${(names += 1)}`;
const change = (
  user: Client<typeof UserService>,
  token: string,
  currentPassword = GOOD_PASSWORD,
  newPassword = NEW_PASSWORD,
) => user.changePassword({ currentPassword, newPassword }, bearer(token));
const loginWith = (identifier: string, password: string) => service.auth().login({ identifier, password });
const tables = () => service.app.database.tables;
const idOf = async (name: string) => (await service.app.users.findByIdentifier(name))?.id ?? '';
const eventsOf = async (accountId: string) =>
  tables()
    .selectFrom('audit_events')
    .select(['kind', 'outcome', 'reason', 'actor_id', 'target_id', 'details'])
    .where('account_id', '=', accountId)
    .orderBy('id')
    .execute();
const emailsTo = async (address: string) =>
  (await tables().selectFrom('outbox_mails').select('letter').where('recipient', '=', address).execute()).map(
    ({ letter }) => letter['template'],
  );

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('sets the password; every session is dead, but the calling one by the tokens of the answer', async () => {
    const [user, auth] = [service.user(protocol), service.auth(protocol)];
    const name = newName();
    const other = await signUp(service, name);
    const own = await signIn(service, name);
    const { tokens: next } = await change(user, own.accessToken);
    for (const { accessToken } of [other, own])
      expect(await refusalOf(user.getMe({}, bearer(accessToken)))).toMatchObject({ reason: 'TOKEN_REVOKED' });
    expect(await refusalOf(auth.refreshToken({ refreshToken: own.refreshToken }))).toMatchObject({
      reason: 'TOKEN_INVALID',
    });
    expect(await refusalOf(auth.refreshToken({ refreshToken: other.refreshToken }))).toMatchObject({
      reason: 'TOKEN_REVOKED',
    });
    if (next === undefined) throw new Error('no tokens');
    expect((await user.getMe({}, bearer(next.accessToken))).user?.username).toBe(name);
    const { sessions } = await user.listSessions({}, bearer(next.accessToken));
    expect(sessions.map(({ id, current }) => [id, current])).toEqual([[own.sessionId, true]]);
    const { tokens } = await auth.refreshToken({ refreshToken: next.refreshToken });
    expect((await user.getMe({}, bearer(tokens?.accessToken ?? ''))).user?.username).toBe(name);
    expect(await refusalOf(auth.login({ identifier: name, password: GOOD_PASSWORD }))).toMatchObject({
      reason: 'INVALID_CREDENTIALS',
    });
    const { outcome } = await auth.login({ identifier: name, password: NEW_PASSWORD });
    expect(outcome.case).toBe('tokens');
  });

  it('leaves API keys alone, and ends them where asked', async () => {
    const user = service.user(protocol);
    const { accessToken } = await signUp(service, newName());
    const key = async (token: string) =>
      (await user.createApiKey({ displayName: 'job', scopes: ['account:read'] }, bearer(token))).secret;
    const secret = await key(accessToken);
    const works = (text: string) =>
      service.auth(protocol).exchangeApiKey({}, { headers: { 'x-api-key': text } });
    const { tokens } = await change(user, accessToken);
    await works(secret);
    const passwords = { currentPassword: NEW_PASSWORD, newPassword: GOOD_PASSWORD, revokeApiKeys: true };
    await user.changePassword(passwords, bearer(tokens?.accessToken ?? ''));
    expect((await refusalOf(works(secret))).reason).toBe('TOKEN_REVOKED');
  });

  it('refuses a wrong current password, and a new one that cannot be', async () => {
    const user = service.user(protocol);
    const name = newName();
    const { accessToken } = await signUp(service, name);
    expect(await refusalOf(change(user, accessToken, 'Wrong-Password-42!'))).toMatchObject({
      code: 'Unauthenticated',
      reason: 'INVALID_CREDENTIALS',
    });
    expect(await refusalOf(change(user, accessToken, GOOD_PASSWORD, 'zqjvw'))).toMatchObject({
      code: 'InvalidArgument',
      reason: 'PASSWORD_POLICY',
      fields: Array.from({ length: 4 }, () => 'new_password'),
    });
    const same = await refusalOf(change(user, accessToken, GOOD_PASSWORD, GOOD_PASSWORD));
    expect(same).toMatchObject({ reason: 'PASSWORD_POLICY', fields: ['new_password'] });
    expect(same.message).toContain('must not be the current password');
    const own = await refusalOf(change(user, accessToken, GOOD_PASSWORD, `${name}@example.com-A1`));
    expect(own.message).toContain('your own e-mail address');
    expect(await refusalOf(user.changePassword({}, bearer(accessToken)))).toMatchObject({
      reason: 'VALIDATION_FAILED',
      fields: ['current_password', 'new_password'],
    });
    await loginWith(name, GOOD_PASSWORD);
  });

  it('asks for a recent login', async () => {
    const { accessToken } = await signUp(service, newName());
    clock.advance(5 * MINUTE_MS + 6_000);
    await eventually(() => service.app.revocationIndex.isFresh());
    expect(await refusalOf(change(service.user(protocol), accessToken))).toMatchObject({
      reason: 'STEP_UP_REQUIRED',
    });
  });
});

it('treats equivalent spellings as one password', async () => {
  const name = newName();
  const { accessToken } = await signUp(service, name);
  const composed = 'Grüße-aus-Köln-42';
  await change(service.user(), accessToken, GOOD_PASSWORD, composed.normalize('NFD'));
  const { outcome } = await loginWith(name, composed);
  if (outcome.case !== 'tokens') throw new Error('the login answered no tokens');
  const again = change(service.user(), outcome.value.accessToken, composed, composed.normalize('NFD'));
  expect(await refusalOf(again)).toMatchObject({ reason: 'PASSWORD_POLICY' });
});

it('locks after five wrong passwords, for a quarter of an hour, and mails the owner', async () => {
  const name = newName();
  const { accessToken } = await signUp(service, name);
  const id = await idOf(name);
  const user = service.user();
  for (let failure = 0; failure < 5; failure += 1)
    expect(await refusalOf(change(user, accessToken, `Wrong-${failure}`))).toMatchObject({
      reason: 'INVALID_CREDENTIALS',
    });
  expect(await refusalOf(change(user, accessToken))).toMatchObject({
    code: 'ResourceExhausted',
    reason: 'ACCOUNT_LOCKED',
    retryAfterSeconds: 900,
  });
  expect(await emailsTo(`${name}@example.com`)).toContain('account_locked');
  const refused = (await eventsOf(id)).filter(({ kind }) => kind === 'account.password_change');
  expect(refused.map(({ outcome, reason }) => `${outcome} ${reason}`)).toEqual([
    ...Array.from({ length: 5 }, () => 'refused INVALID_CREDENTIALS'),
    'refused ACCOUNT_LOCKED',
  ]);
  clock.advance(15 * MINUTE_MS);
  await eventually(() => service.app.revocationIndex.isFresh());
  const { outcome } = await loginWith(name, GOOD_PASSWORD);
  if (outcome.case !== 'tokens') throw new Error('no tokens');
  await change(user, outcome.value.accessToken);
});

it('goes on though unknown devices have locked the login, and locks no login itself', async () => {
  const name = newName();
  const { accessToken } = await signUp(service, name);
  for (const identifier of [name, `${name}@example.com`])
    for (let failure = 0; failure < 5; failure += 1)
      await refusalOf(service.auth().login({ identifier, password: 'Wrong-Horse-42-Staple!' }));
  expect(await refusalOf(service.auth().login({ identifier: name, password: GOOD_PASSWORD }))).toMatchObject({
    reason: 'ACCOUNT_LOCKED',
  });
  await change(service.user(), accessToken);

  const other = newName();
  const session = await signUp(service, other);
  for (let failure = 0; failure < 6; failure += 1)
    await refusalOf(change(service.user(), session.accessToken, `Wrong-${failure}`));
  await loginWith(other, GOOD_PASSWORD);
});

it('counts every one of fifty wrong passwords at once, and locks', async () => {
  const name = newName();
  const { accessToken } = await signUp(service, name);
  const refusals = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      refusalOf(change(service.user(), accessToken, `Wrong-${index}`)),
    ),
  );
  const wrong = refusals.filter(({ reason }) => reason === 'INVALID_CREDENTIALS');
  expect(wrong).toHaveLength(5);
  expect(refusals.filter(({ reason }) => reason === 'ACCOUNT_LOCKED')).toHaveLength(45);
  const emails = await emailsTo(`${name}@example.com`);
  expect(emails.filter((template) => template === 'account_locked')).toHaveLength(1);
});

it('writes one event and one email, keeps failures counted, and ends pending tokens of some purposes alone', async () => {
  const name = newName();
  const { accessToken, sessionId } = await signUp(service, name);
  const id = await idOf(name);
  // Preparing the email of the registration ends the verification tokens that are there.
  await nextEmail(service, `${name}@example.com`);
  await refusalOf(change(service.user(), accessToken, 'Wrong-1'));
  const purposes = ['password_reset', 'mfa_challenge', 'email_change', 'email_verification'] as const;
  const presented = await Promise.all(
    purposes.map(async (purpose) => {
      const token = {
        id: service.app.newId(),
        ...service.app.actionTokenCodec.create(purpose, service.app.newId()),
      };
      const now = clock.now();
      await service.app.actionTokens.insert({
        id: token.id,
        purpose,
        userId: id,
        digest: token.digest,
        payload: {},
        createTime: now,
        expireTime: now + MINUTE_MS,
      });
      return { purpose, token };
    }),
  );
  await change(service.user(), accessToken);
  const left = await Promise.all(
    presented.map(({ purpose, token }) => service.app.actionTokens.find(purpose, token)),
  );
  expect(left.map((token) => token?.purpose)).toEqual([
    undefined,
    undefined,
    undefined,
    'email_verification',
  ]);
  const changes = (await eventsOf(id)).filter(
    ({ kind, outcome }) => kind === 'account.password_change' && outcome === 'success',
  );
  expect(changes).toEqual([
    {
      kind: 'account.password_change',
      outcome: 'success',
      reason: null,
      actor_id: id,
      target_id: id,
      details: null,
    },
  ]);
  const emails = await emailsTo(`${name}@example.com`);
  expect(emails.filter((template) => template === 'password_changed')).toHaveLength(1);
  const failures = await tables()
    .selectFrom('lockouts')
    .selectAll()
    .where('key', '=', `session:${sessionId}`)
    .execute();
  expect(failures).toMatchObject([{ failures: 1 }]);
});

it('rejects a token without a session, and the session of another user', async () => {
  const [name, stranger] = [newName(), newName()];
  await signUp(service, name);
  const foreign = await signUp(service, stranger);
  const claims = { sub: await idOf(name), role: 'user', scope: 'account:write' };
  const bare = await signToken(service.app, { ...claims, sid: undefined });
  expect(['CREDENTIAL_NOT_ALLOWED', 'TOKEN_INVALID']).toContain(
    (await refusalOf(change(service.user(), bare))).reason,
  );
  const mixed = await signToken(service.app, { ...claims, sid: foreign.sessionId });
  expect(await refusalOf(change(service.user(), mixed))).toMatchObject({ reason: 'TOKEN_REVOKED' });
  await loginWith(name, GOOD_PASSWORD);
});

it('one of several concurrent changes wins, and the others are refused', async () => {
  const name = newName();
  const { accessToken } = await signUp(service, name);
  // Who comes after the winner has a wrong password; so few of them lock nothing.
  const passwords = Array.from({ length: 5 }, (_, index) => `Quartz-Loom-7${index}-Vortex?`);
  const endings = await Promise.all(
    passwords.map((password) =>
      change(service.user(), accessToken, GOOD_PASSWORD, password).then(
        () => 'ok',
        async (error: unknown) => (await refusalOf(Promise.reject(error as Error))).reason,
      ),
    ),
  );
  expect(endings.filter((ending) => ending === 'ok')).toHaveLength(1);
  for (const ending of endings)
    expect(['ok', 'CONFLICT', 'INVALID_CREDENTIALS', 'TOKEN_REVOKED']).toContain(ending);
  await loginWith(name, passwords[endings.indexOf('ok')] ?? '');
});
