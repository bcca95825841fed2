// ImportUsers over every protocol: what comes in, what does not and why, and how a call ends.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImportUsersRequestSchema } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { ImportOutcome } from '../../gen/latchkey/v1/user_import_pb.ts';
import { eventually } from '../support/eventually.ts';
import { CHEAP_VECTORS } from '../support/legacy-vectors.ts';
import { firstAdministrator, member, type Member } from '../support/members.ts';
import { frame } from '../support/raw-calls.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { PROTOCOLS, startTestService, type Protocol, type TestService } from '../support/service.ts';

type Request = MessageInitShape<typeof ImportUsersRequestSchema>;
type User = NonNullable<Request['users']>[number];

let service: TestService;
let admin: Member;

beforeAll(async () => {
  service = await startTestService({ variables: { MAX_CALL_TIME: '500ms' } });
  admin = await member(service, 'importer', 'admin');
});
afterAll(() => service.stop());

const wordOf = (outcome: ImportOutcome) =>
  Object.entries(ImportOutcome).find(([, value]) => value === outcome)?.[0];

let names = 0;
/** A user who has no account yet. */
function newUser(change: User = {}): User {
  names += 1;
  return { externalId: `ext-${names}`, email: `import-${names}@example.com`, ...change };
}

const many = (count: number) => Array.from({ length: count }, () => newUser());

async function* stream(...requests: readonly Request[]): AsyncGenerator<Request> {
  yield* requests;
}

function importing(protocol: Protocol, requests: AsyncIterable<Request>, caller = admin) {
  return service.admin(protocol).importUsers(requests, caller.options);
}

/** Imports one, and says what became of it. */
async function importOne(user: User, caller = admin, protocol: Protocol = 'grpc') {
  const { results } = await importing(protocol, stream({ users: [user] }), caller);
  const [result] = results;
  if (result === undefined) throw new Error('there is no result');
  const { outcome, reason, userId, violations } = result;
  return { outcome: wordOf(outcome), reason, userId, fields: violations.map(({ field }) => field) };
}

async function countUsers(): Promise<number> {
  const { count } = await service.app.database.tables
    .selectFrom('users')
    .select((expression) => expression.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count);
}

async function rowOf(email: string) {
  return service.app.database.tables
    .selectFrom('users')
    .selectAll()
    .where('email', '=', email)
    .executeTakeFirstOrThrow();
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('takes accounts over several messages, and reports each in order', async () => {
    const [first, second, third] = [newUser(), newUser({ email: 'no address' }), newUser()];
    const response = await importing(protocol, stream({ users: [first, second] }, {}, { users: [third] }));
    expect(response).toMatchObject({ created: 2n, unchanged: 0n, refused: 1n });
    expect(
      response.results.map(({ index, externalId, outcome }) => [index, externalId, wordOf(outcome)]),
    ).toEqual([
      [0n, first.externalId, 'CREATED'],
      [1n, second.externalId, 'REFUSED'],
      [2n, third.externalId, 'CREATED'],
    ]);
    expect(response.results[0]?.userId).toBe((await rowOf(first.email!)).id);
  });

  it('takes an account whole, and its owner logs in with the password of before', async () => {
    const [vector] = CHEAP_VECTORS;
    const user = newUser({
      emailVerified: true,
      username: `Person-${protocol}`,
      fullName: 'Grace Hopper',
      role: 'moderator',
      passwordHash: vector!.hash,
      createTime: timestampFromMs(1_000_000_000_000),
      lastLoginTime: timestampFromMs(1_100_000_000_000),
    });
    const { userId } = await importOne(user, admin, protocol);
    expect(await rowOf(user.email!)).toMatchObject({
      id: userId,
      external_id: user.externalId,
      username: `Person-${protocol}`,
      username_key: `person-${protocol}`,
      full_name: 'Grace Hopper',
      role: 'moderator',
      status: 'active',
      suspension_reason: null,
      email_verified: true,
    });
    const { outcome } = await service
      .auth(protocol)
      .login({ identifier: user.email!, password: vector!.password });
    expect(outcome.case).toBe('tokens');
  });

  it('changes nothing the second time', async () => {
    const user = newUser({ fullName: 'Once' });
    const { userId } = await importOne(user, admin, protocol);
    expect(
      await importOne({ ...user, email: 'other@example.com', fullName: 'Twice' }, admin, protocol),
    ).toEqual({
      outcome: 'UNCHANGED',
      reason: '',
      userId,
      fields: [],
    });
    expect((await rowOf(user.email!)).full_name).toBe('Once');
  });

  it('answers a stream without messages, and one without users', async () => {
    expect(await importing(protocol, stream())).toMatchObject({ created: 0n, results: [] });
    expect(await importing(protocol, stream({}, {}))).toMatchObject({ created: 0n, results: [] });
  });

  it('stores nothing in a dry run, which the first message decides, and reports what would happen', async () => {
    const [fresh, known] = [newUser(), newUser()];
    await importOne(known);
    const before = await countUsers();
    const response = await importing(
      protocol,
      stream(
        { dryRun: true, users: [fresh, known] },
        { dryRun: false, users: [fresh, newUser()] },
        {
          users: [newUser({ email: fresh.email! })],
        },
      ),
    );
    expect(response.results.map(({ outcome, userId }) => [wordOf(outcome), userId === ''])).toEqual([
      ['CREATED', true],
      ['UNCHANGED', false],
      ['UNCHANGED', true],
      ['CREATED', true],
      ['REFUSED', true],
    ]);
    expect(await countUsers()).toBe(before);
    const tooLate = importing(protocol, stream({ users: [newUser()] }, { dryRun: true, users: [newUser()] }));
    expect(await refusalOf(tooLate)).toMatchObject({ fields: ['dry_run'], metadata: { items_taken: '1' } });
    expect(await countUsers()).toBe(before + 1);
  });

  it('takes 10,000 in a call and refuses one more, with what came before kept', async () => {
    const before = await countUsers();
    // Most are refused, which is soon done.
    const messages = Array.from({ length: 10 }, () => ({
      users: [newUser(), ...Array.from({ length: 999 }, () => ({}))],
    }));
    expect(await importing(protocol, stream(...messages))).toMatchObject({ created: 10n, refused: 9_990n });
    const refusal = await refusalOf(importing(protocol, stream(...messages, { users: [newUser()] })));
    expect(refusal).toMatchObject({
      code: 'InvalidArgument',
      reason: 'VALIDATION_FAILED',
      fields: ['users'],
      metadata: { items_taken: '10000' },
    });
    expect(refusal.message).toContain('10000 items have been taken');
    expect(await countUsers()).toBe(before + 10);
  });

  it('refuses more than 1,000 in a message', async () => {
    const before = await countUsers();
    const refusal = await refusalOf(
      importing(protocol, stream({ users: [newUser()] }, { users: many(1_001) })),
    );
    expect(refusal).toMatchObject({ reason: 'VALIDATION_FAILED', metadata: { items_taken: '1' } });
    expect(await countUsers()).toBe(before + 1);
  });

  it('outlives the limit of other calls', async () => {
    let isLate = false;
    setTimeout(() => {
      isLate = true;
    }, 800);
    async function* slow() {
      yield { users: [newUser()] };
      await eventually(() => isLate);
      yield { users: [newUser()] };
    }
    expect(await importing(protocol, slow())).toMatchObject({ created: 2n });
  });

  it('ends with the deadline of its caller, and keeps what came before', async () => {
    const before = await countUsers();
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* hanging() {
      yield { users: [newUser()] };
      await promise;
    }
    const call = service.admin(protocol).importUsers(hanging(), { ...admin.options, timeoutMs: 400 });
    expect((await refusalOf(call)).code).toBe('DeadlineExceeded');
    resolve();
    expect(await countUsers()).toBe(before + 1);
  });

  it('is refused in the middle when its credential is revoked, and says how far it came', async () => {
    const other = await member(service, `revoked-${protocol}`, 'admin');
    const before = await countUsers();
    const afterwards = Promise.withResolvers<void>();
    async function* requests() {
      yield { users: [newUser()] };
      await eventually(async () => (await countUsers()) === before + 1);
      await service.auth().logout({}, other.options);
      afterwards.resolve();
      yield { users: [newUser()] };
    }
    const refusal = await refusalOf(importing(protocol, requests(), other));
    await afterwards.promise;
    expect(refusal).toMatchObject({
      code: 'Unauthenticated',
      reason: 'TOKEN_REVOKED',
      metadata: { items_taken: '1' },
    });
    expect(await countUsers()).toBe(before + 1);
  });

  it('is refused while it is silent when its credential is revoked, and says how far it came', async () => {
    const other = await member(service, `silent-${protocol}`, 'admin');
    const before = await countUsers();
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* requests() {
      yield { users: [newUser()] };
      await eventually(async () => (await countUsers()) === before + 1);
      await service.auth().logout({}, other.options);
      await promise;
    }
    const refusal = await refusalOf(importing(protocol, requests(), other));
    resolve();
    expect(refusal).toMatchObject({
      code: 'Unauthenticated',
      reason: 'TOKEN_REVOKED',
      metadata: { items_taken: '1' },
    });
  });

  it('leaves nothing behind when its caller goes in the middle, and keeps what came before', async () => {
    const before = await countUsers();
    const gone = new AbortController();
    async function* requests() {
      yield { users: many(2) };
      await eventually(async () => (await countUsers()) === before + 2);
      gone.abort();
      yield { users: [newUser()] };
    }
    const call = service.admin(protocol).importUsers(requests(), { ...admin.options, signal: gone.signal });
    expect((await refusalOf(call)).code).toBe('Canceled');
    expect(await countUsers()).toBe(before + 2);
  });

  it('needs the scope', async () => {
    const user = await member(service, `plain-${protocol}`);
    const refusal = await refusalOf(importing(protocol, stream({ users: [newUser()] }), user));
    expect(refusal).toMatchObject({ code: 'PermissionDenied', reason: 'INSUFFICIENT_SCOPE' });
  });
});

describe('an account is refused by itself', () => {
  const tomorrow = () => timestampFromMs(Date.now() + 86_400_000);
  it.each<[string, User, string[]]>([
    ['without anything', { externalId: '', email: '' }, ['email', 'external_id']],
    ['with an address that is none', { email: 'a@b' }, ['email']],
    ['with a huge address', { email: `${'a'.repeat(1_000_000)}@example.com` }, ['email']],
    ['with a huge id', { externalId: 'x'.repeat(1_000_000) }, ['external_id']],
    ['with NUL in its id', { externalId: 'a\u0000b' }, ['external_id']],
    ['with a bidi override in its name', { fullName: 'a\u202Eb' }, ['full_name']],
    ['with a user name that is none', { username: 'a b' }, ['username']],
    ['with a plain password for a hash', { passwordHash: 'hunter2' }, ['password_hash']],
    ['with a hash that costs too much', { passwordHash: `$2b$31$${'a'.repeat(53)}` }, ['password_hash']],
    ['from the future', { createTime: tomorrow() }, ['create_time']],
    ['from before 1970', { createTime: { seconds: -1n, nanos: 0 } }, ['create_time']],
    ['at no time', { createTime: { seconds: 1n, nanos: -5 } }, ['create_time']],
    ['at the end of time', { lastLoginTime: { seconds: 2n ** 62n, nanos: 0 } }, ['last_login_time']],
    ['last seen tomorrow', { lastLoginTime: tomorrow() }, ['last_login_time']],
    [
      'with all of it wrong',
      { email: '', fullName: '\u0007', username: '!', passwordHash: 'x', role: 'nobody' },
      ['email', 'full_name', 'username', 'password_hash', 'role'],
    ],
  ])('%s', async (_what, change, fields) => {
    expect(await importOne(newUser(change))).toEqual({
      outcome: 'REFUSED',
      reason: 'VALIDATION_FAILED',
      userId: '',
      fields,
    });
  });

  it('for its role', async () => {
    const ending = async (role: string, caller = admin) =>
      (await importOne(newUser({ role }), caller)).reason;
    expect(await ending('nobody')).toBe('ROLE_NOT_FOUND');
    expect(await ending('a\u0000')).toBe('ROLE_NOT_FOUND');
    expect(await ending('super_admin')).toBe('ROLE_PROTECTED');
    expect(await ending('super_admin', await firstAdministrator(service))).toBe('ROLE_PROTECTED');
    await service.app.database.tables
      .insertInto('roles')
      .values({ name: 'keeper', inherits: 'user', scopes: ['signing_keys:write'], built_in: false })
      .execute();
    expect(await ending('keeper')).toBe('INSUFFICIENT_SCOPE');
    expect(await ending('keeper', await firstAdministrator(service))).toBe('');
    expect(await ending('admin')).toBe('');
  });

  it('for its names, all of which are reported', async () => {
    const taken = newUser({ username: 'Taken' });
    await importOne(taken);
    expect(await importOne(newUser({ email: taken.email!.toUpperCase() }))).toMatchObject({
      outcome: 'REFUSED',
      reason: 'EMAIL_TAKEN',
      fields: ['email'],
    });
    expect(await importOne(newUser({ username: 'tAKEN' }))).toMatchObject({
      reason: 'USERNAME_TAKEN',
      fields: ['username'],
    });
    expect(await importOne(newUser({ email: taken.email!, username: 'taken' }))).toMatchObject({
      reason: 'EMAIL_TAKEN',
      fields: ['email', 'username'],
    });
  });

  it('and of two in one call the first counts', async () => {
    const [first, second] = [newUser({ username: 'first-one' }), newUser()];
    const { results } = await importing(
      'grpc',
      stream(
        { users: [first, { ...first, fullName: 'Another' }, newUser({ email: first.email! }), second] },
        { users: [{ ...second, email: 'later@example.com' }, newUser({ username: 'First-One' })] },
      ),
    );
    expect(results.map(({ outcome, reason }) => `${wordOf(outcome)} ${reason}`.trim())).toEqual([
      'CREATED',
      'UNCHANGED',
      'REFUSED EMAIL_TAKEN',
      'CREATED',
      'UNCHANGED',
      'REFUSED USERNAME_TAKEN',
    ]);
    expect(results[1]?.userId).toBe(results[0]?.userId);
    expect((await rowOf(first.email!)).full_name).toBe(first.email!.split('@')[0]);
  });
});

it('suspends accounts that were suspended, and says why', async () => {
  const [vector] = CHEAP_VECTORS;
  const user = newUser({ suspended: true, passwordHash: vector!.hash });
  await importOne(user);
  expect(await rowOf(user.email!)).toMatchObject({ status: 'suspended', suspension_reason: 'imported' });
  const login = service.auth().login({ identifier: user.email!, password: vector!.password });
  expect((await refusalOf(login)).reason).toBe('ACCOUNT_SUSPENDED');
});

it('writes one event for each batch with its counts, none for a dry run, and no email', async () => {
  const { tables } = service.app.database;
  const events = () =>
    tables
      .selectFrom('audit_events')
      .selectAll()
      .where('kind', '=', 'account.import')
      .orderBy('id')
      .execute();
  const emails = await tables.selectFrom('outbox_mails').selectAll().execute();
  const before = (await events()).length;
  await importing('grpc', stream({ dryRun: true, users: many(3) }));
  expect(await events()).toHaveLength(before);
  await importing('grpc', stream({ users: many(3) }, { users: [newUser(), newUser({ email: '' })] }));
  const written = (await events()).slice(before);
  expect(written.map(({ details, actor_id: actor }) => [details, actor])).toEqual([
    [{ created: '3', unchanged: '0', refused: '0', roles: 'user=3', reasons: '' }, admin.id],
    [
      { created: '1', unchanged: '0', refused: '1', roles: 'user=1', reasons: 'VALIDATION_FAILED=1' },
      admin.id,
    ],
  ]);
  expect(await tables.selectFrom('outbox_mails').selectAll().execute()).toHaveLength(emails.length);
});

it('an answer about 10,000 refusals stays within what a message may hold', async () => {
  const users = Array.from({ length: 10_000 }, (_, index) =>
    newUser({
      externalId: '\u{1F511}'.repeat(190) + index,
      email: '',
      username: '!',
      fullName: '\u0007',
      role: '!',
    }),
  );
  const messages = Array.from({ length: 10 }, (_, index) => ({
    users: users.slice(index * 1_000, (index + 1) * 1_000),
  }));
  const { refused, results } = await importing('grpc', stream(...messages));
  expect(refused).toBe(10_000n);
  expect(results[0]?.violations).toHaveLength(4);
  expect(results[9_999]).toMatchObject({ index: 9_999n, reason: 'VALIDATION_FAILED', violations: [] });
});

describe('a stream whose third message is garbage is refused there, with what came before kept', () => {
  const FIELDS = { connect: 'application/connect+json', 'grpc-web': 'application/grpc-web+proto' };
  it.each(['connect', 'grpc-web'] as const)('over %s', async (protocol) => {
    const before = await countUsers();
    const good = () =>
      protocol === 'connect'
        ? frame(Buffer.from(JSON.stringify({ users: [newUser()] })))
        : frame(Buffer.from([0x0a, 0x00]));
    const response = await fetch(`${service.httpUrl}/latchkey.v1.AdminService/ImportUsers`, {
      method: 'POST',
      headers: { 'content-type': FIELDS[protocol], ...admin.options.headers },
      body: Buffer.concat([good(), good(), frame(Buffer.from([0x0a, 0x05, 0x61])), good()]),
    });
    const text = decodeURIComponent(await response.text());
    expect(text).toContain('is not a latchkey.v1.ImportUsersRequest');
    expect(text).toContain('2 items have been taken');
    expect(await countUsers()).toBe(before + (protocol === 'connect' ? 2 : 0));
  });
});
