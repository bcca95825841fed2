// Who may register, what a taken address and a taken name are answered, and what must be proved before a login.

import { afterEach, describe, expect, it } from 'vitest';
import { refusalOf } from '../support/rpc-calls.ts';
import { GOOD_PASSWORD, startTestService, type TestService } from '../support/service.ts';

let service: TestService | undefined;
afterEach(async () => {
  await service?.stop();
  service = undefined;
});

async function start(variables: Record<string, string>) {
  service = await startTestService({ variables });
  const auth = service.auth();
  const person = { email: 'first@example.com', username: 'first', password: GOOD_PASSWORD, fullName: 'A' };
  const tables = service.app.database.tables;
  const emails = async (to: string) =>
    (await tables.selectFrom('outbox_mails').select(['letter']).where('recipient', '=', to).execute()).map(
      ({ letter }) => letter['template'],
    );
  const users = async () => (await tables.selectFrom('users').select('email').execute()).length;
  return { auth, person, emails, users };
}

describe('LATCHKEY_REGISTRATION', () => {
  it('private: a taken address is answered like a fresh one, stored nowhere, and its owner is notified', async () => {
    const { auth, person, emails, users } = await start({});
    const fresh = await auth.register(person);
    const count = await users();
    const second = { ...person, email: 'FIRST@example.com', username: 'second' };
    const taken = await auth.register(second);
    expect(await users()).toBe(count);
    expect(Object.keys(taken.user ?? {}).toSorted()).toEqual(Object.keys(fresh.user ?? {}).toSorted());
    expect(taken.user).toMatchObject({
      email: 'FIRST@example.com',
      username: 'second',
      role: fresh.user?.role,
      status: fresh.user?.status,
    });
    expect(taken.user?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(taken.user?.id).not.toBe(fresh.user?.id);
    expect([...(await emails('first@example.com')), ...(await emails('FIRST@example.com'))]).toEqual([
      'verify_email',
      'register_taken',
    ]);
    expect(await refusalOf(auth.login({ identifier: 'second', password: GOOD_PASSWORD }))).toMatchObject({
      reason: 'INVALID_CREDENTIALS',
    });
    const takenName = auth.register({ ...person, email: 'third@example.com', username: 'FIRST' });
    expect(await refusalOf(takenName)).toMatchObject({
      code: 'AlreadyExists',
      reason: 'USERNAME_TAKEN',
      fields: ['username'],
    });
    // Both taken: the name alone is told, in the same words.
    expect(await refusalOf(auth.register({ ...person, username: 'FIRST' }))).toMatchObject({
      reason: 'USERNAME_TAKEN',
      fields: ['username'],
    });
  });

  it('open: a taken address is reported, and its owner gets no email', async () => {
    const { auth, person, emails } = await start({ REGISTRATION: 'open' });
    await auth.register(person);
    const again = auth.register({ ...person, username: 'second' });
    expect(await refusalOf(again)).toMatchObject({
      code: 'AlreadyExists',
      reason: 'EMAIL_TAKEN',
      fields: ['email'],
    });
    expect(await emails(person.email)).toEqual(['verify_email']);
  });

  it('closed: every registration is refused', async () => {
    const { auth, person, users } = await start({ REGISTRATION: 'closed' });
    const count = await users();
    for (const email of ['first@example.com', 'root@example.com']) {
      expect(await refusalOf(auth.register({ ...person, email }))).toMatchObject({
        code: 'FailedPrecondition',
        reason: 'REGISTRATION_CLOSED',
      });
    }
    expect(await users()).toBe(count);
  });
});

it('LATCHKEY_PASSWORD_POLICY=nist asks for length and not for composition', async () => {
  const { auth, person } = await start({ PASSWORD_POLICY: 'nist' });
  await auth.register({ ...person, password: 'quiet otter under lamp' });
  for (const password of ['Sh0rt-but-mix!', 'aaaaaaaaaaaaaa']) {
    const refusal = await refusalOf(
      auth.register({ ...person, email: 'b@example.com', username: 'b-b', password }),
    );
    expect(refusal).toMatchObject({ code: 'InvalidArgument', reason: 'PASSWORD_POLICY' });
    expect(refusal.message).toContain('at least 15');
  }
  const own = auth.register({
    ...person,
    email: 'b@example.com',
    username: 'long-user-name-16',
    password: 'long-user-name-16',
  });
  expect(await refusalOf(own)).toMatchObject({ reason: 'PASSWORD_POLICY' });
});

it('LATCHKEY_REQUIRE_VERIFIED_EMAIL bars the login until the address is proved, and says so only after the right password', async () => {
  const { auth, person } = await start({ REQUIRE_VERIFIED_EMAIL: 'true' });
  await auth.register(person);
  const login = (password: string) => auth.login({ identifier: 'first', password });
  expect(await refusalOf(login('Wrong-Password-42!'))).toMatchObject({ reason: 'INVALID_CREDENTIALS' });
  expect(await refusalOf(login(GOOD_PASSWORD))).toMatchObject({
    code: 'FailedPrecondition',
    reason: 'EMAIL_NOT_VERIFIED',
  });
  const rows = service?.app.database.tables.updateTable('users').where('username', '=', 'first');
  await rows?.set({ email_verified: true }).execute();
  expect((await login(GOOD_PASSWORD)).outcome.case).toBe('tokens');
});

it('an overloaded server refuses at once and says when to try again', async () => {
  const { auth, person } = await start({
    HASHING_SLOTS: '1',
    HASHING_QUEUE: '1',
    ARGON2_MEMORY_KIB: '262144',
    ARGON2_PASSES: '4',
  });
  const login = () => auth.login({ identifier: person.email, password: GOOD_PASSWORD });
  const endings = await Promise.all([login(), login(), login(), login()].map(refusalOf));
  const overloaded = endings.filter(({ reason }) => reason === 'OVERLOADED');
  expect(endings.filter(({ reason }) => reason === 'INVALID_CREDENTIALS')).toHaveLength(2);
  expect(overloaded).toHaveLength(2);
  expect(overloaded[0]).toMatchObject({ code: 'ResourceExhausted', retryAfterSeconds: 1 });
});
