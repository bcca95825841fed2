// UpdateMe and ExportMe over every protocol.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditEvent } from '../../src/domain/audit/record.ts';
import { UserStatus } from '../../gen/latchkey/v1/user_pb.ts';
import { sampleApiKey } from '../support/samples.ts';
import { ORIGIN } from '../support/samples.ts';
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

let service: TestService;
let names = 0;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const newName = () => `person-${(names += 1)}`;
const eventsOf = (accountId: string, kind: string) =>
  service.app.database.tables
    .selectFrom('audit_events')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('kind', '=', kind)
    .orderBy('id')
    .execute();

async function person() {
  const name = newName();
  const { accessToken } = await signUp(service, name);
  const { user } = await service.user().getMe({}, bearer(accessToken));
  if (user === undefined) throw new Error('no user');
  return { name, user, credential: bearer(accessToken) };
}

describe.each(PROTOCOLS)('UpdateMe over %s', (protocol) => {
  const update = async (
    credential: ReturnType<typeof bearer>,
    user: { username?: string; fullName?: string },
    paths?: string[],
  ) => {
    const mask = paths === undefined ? {} : { updateMask: { paths } };
    return (await service.user(protocol).updateMe({ user, ...mask }, credential)).user;
  };

  it('changes what the mask names', async () => {
    const { user, credential, name } = await person();
    const both = { username: `${name}-new`, fullName: '  Zoë 李  ' };
    expect(await update(credential, both, ['full_name'])).toMatchObject({
      username: name,
      fullName: 'Zoë 李',
    });
    expect(
      await update(credential, { username: `${name}-new`, fullName: 'Other' }, ['username']),
    ).toMatchObject({
      username: `${name}-new`,
      fullName: 'Zoë 李',
    });
    expect(await update(credential, { username: name, fullName: 'Third' }, ['*'])).toMatchObject({
      username: name,
      fullName: 'Third',
    });
    const { user: now } = await service.user(protocol).getMe({}, credential);
    expect(now).toMatchObject({ id: user.id, email: user.email, username: name, fullName: 'Third' });
    await signIn(service, name);
    const events = await eventsOf(user.id, 'account.update');
    expect(events.map(({ details }) => details)).toEqual([
      { fields: 'full_name' },
      { fields: 'username' },
      { fields: 'username, full_name' },
    ]);
    expect(JSON.stringify(events)).not.toContain('Third');
  });

  it('changes, without a mask, what is not empty', async () => {
    const { credential, name } = await person();
    expect(await update(credential, { fullName: 'Ada' })).toMatchObject({ username: name, fullName: 'Ada' });
    expect(await update(credential, { username: `${name}-2` }, [])).toMatchObject({
      username: `${name}-2`,
      fullName: 'Ada',
    });
    expect(await update(credential, {})).toMatchObject({ username: `${name}-2`, fullName: 'Ada' });
    expect((await service.user(protocol).updateMe({}, credential)).user).toMatchObject({ fullName: 'Ada' });
  });

  it('removes a user name that the mask names and the request leaves empty, and no full name', async () => {
    const { credential, name } = await person();
    expect(await update(credential, {}, ['username'])).toMatchObject({
      username: '',
      fullName: 'Test Person',
    });
    expect(
      await refusalOf(service.auth().login({ identifier: name, password: GOOD_PASSWORD })),
    ).toMatchObject({
      reason: 'INVALID_CREDENTIALS',
    });
    for (const paths of [['full_name'], ['*'], ['username', 'full_name']])
      expect(await refusalOf(update(credential, { fullName: '  ' }, paths))).toMatchObject({
        reason: 'VALIDATION_FAILED',
        fields: ['user.full_name'],
      });
    await signUp(service, name);
  });

  it('refuses every other path, by its name', async () => {
    const { credential, user, name } = await person();
    const others = [
      'role',
      'status',
      'email',
      'email_verified',
      'mfa_enabled',
      'id',
      'create_time',
      'password_hash',
      'user.username',
      'user',
      'full_name.x',
      'Username',
    ];
    for (const path of others) {
      const refusal = await refusalOf(
        update(credential, { username: 'x-y-z', fullName: 'X' }, ['full_name', path]),
      );
      expect(refusal).toMatchObject({
        code: 'InvalidArgument',
        reason: 'VALIDATION_FAILED',
        fields: ['update_mask'],
      });
      expect(refusal.message).toContain(`"${path}"`);
    }
    const strange = ['a'.repeat(10_000), 'a\nb', '', ' '.repeat(200), '\u202E'];
    for (const path of strange)
      expect((await refusalOf(update(credential, { fullName: 'X' }, [path]))).fields).toEqual([
        'update_mask',
      ]);
    const many = Array.from({ length: 10_000 }, () => 'role');
    expect((await refusalOf(update(credential, { fullName: 'X' }, many))).fields).toEqual(['update_mask']);
    expect((await service.user().getMe({}, credential)).user).toEqual({ ...user, username: name });
  });

  it('ignores what the server alone sets', async () => {
    const { credential, user } = await person();
    const forged = {
      id: '0198c0de-0000-7000-8000-000000000000',
      email: 'attacker@example.com',
      role: 'super_admin',
      status: UserStatus.DELETED,
      emailVerified: true,
      mfaEnabled: true,
      fullName: 'Mallory',
    };
    for (const mask of [{}, { updateMask: { paths: ['full_name'] } }])
      await service.user(protocol).updateMe({ user: forged, ...mask }, credential);
    const { user: now } = await service.user().getMe({}, credential);
    expect({ ...now, updateTime: undefined }).toEqual({
      ...user,
      fullName: 'Mallory',
      updateTime: undefined,
    });
    const row = await service.app.users.findById(user.id);
    expect(row).toMatchObject({
      role: 'user',
      status: 'active',
      emailVerified: false,
      tokenVersion: 1,
      sessionEpoch: 1,
    });
  });

  it('reports that a user name is taken or invalid', async () => {
    const [one, other] = [await person(), await person()];
    for (const username of [other.name, other.name.toUpperCase()])
      expect(await refusalOf(update(one.credential, { username }, ['username']))).toMatchObject({
        code: 'AlreadyExists',
        reason: 'USERNAME_TAKEN',
        fields: ['user.username'],
      });
    expect(await update(one.credential, { username: one.name.toUpperCase() })).toMatchObject({
      username: one.name.toUpperCase(),
    });
    for (const username of ['a', 'a b', 'a@b.example', 'аdmin', 'x'.repeat(51)])
      expect((await refusalOf(update(one.credential, { username, fullName: 'a\u0000' }))).fields).toEqual([
        'user.username',
        'user.full_name',
      ]);
    expect(await eventsOf(one.user.id, 'account.update')).toHaveLength(1);
  });
});

it('one of fifty who want one name at once gets it', async () => {
  const people = await Promise.all(Array.from({ length: 10 }, () => person()));
  const wanted = newName();
  const endings = await Promise.all(
    Array.from({ length: 50 }, (_, index) => people[index % people.length]!).map(({ credential }) =>
      service
        .user()
        .updateMe({ user: { username: wanted } }, credential)
        .then(
          ({ user }) => user?.id,
          async (error: unknown) => (await refusalOf(Promise.reject(error as Error))).reason,
        ),
    ),
  );
  const winners = new Set(endings.filter((ending) => ending !== 'USERNAME_TAKEN'));
  expect(winners.size).toBe(1);
  expect(people.map(({ user }) => user.id)).toContain([...winners][0]);
});

type Export = Record<string, unknown> & {
  readonly securityEvents: ReadonlyArray<Record<string, unknown>>;
  readonly truncated: readonly string[];
};

describe('ExportMe', () => {
  const exported = async (
    credential: ReturnType<typeof bearer>,
    protocol: (typeof PROTOCOLS)[number] = 'grpc',
  ) => JSON.parse((await service.user(protocol).exportMe({}, credential)).exportJson) as Export;

  it.each(PROTOCOLS)('exports all that is stored, over %s, and no secret', async (protocol) => {
    const { user, credential, name } = await person();
    const other = await signIn(service, name);
    const digest = new Uint8Array(Buffer.from('digest-of-a-key-that-nobody-sees'));
    await service.app.apiKeys.insert(sampleApiKey(user.id, { digest, displayName: 'build' }));
    await service.user(protocol).updateMe({ user: { fullName: 'Ada' } }, credential);
    const text = (await service.user(protocol).exportMe({}, credential)).exportJson;
    const document = JSON.parse(text) as Export;
    expect(document).toMatchObject({
      user: {
        id: user.id,
        email: user.email,
        username: name,
        fullName: 'Ada',
        role: 'user',
        status: 'active',
      },
      secondFactors: { enabled: false, backupCodesLeft: 0 },
      knownDevices: 1,
      apiKeys: [{ displayName: 'build', scopes: ['account:read'], useCount: 0 }],
      truncated: [],
    });
    expect(document['sessions']).toHaveLength(2);
    const [event] = document.securityEvents.filter(({ kind }) => kind === 'account.update');
    expect(event).toMatchObject({ outcome: 'success', actorId: user.id, details: { fields: 'full_name' } });
    expect(event?.['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const row = await service.app.users.findByIdentifier(user.email);
    const { session } = (await service.app.sessions.findWithUser(other.sessionId))!;
    const secrets = [
      row?.passwordHash ?? '',
      ...[digest, session.salt].flatMap((bytes) =>
        ['hex', 'base64', 'base64url', 'latin1'].map((encoding) =>
          Buffer.from(bytes).toString(encoding as BufferEncoding),
        ),
      ),
      other.refreshToken,
      other.accessToken,
    ];
    for (const secret of secrets) {
      expect(secret).not.toBe('');
      expect(text).not.toContain(secret);
    }
    for (const word of ['hash', 'salt', 'digest', 'generation', 'sealed', 'tokenVersion'])
      expect(Object.keys(flatten(document)).filter((key) => key.endsWith(word))).toEqual([]);
    expect(await eventsOf(user.id, 'account.export')).toMatchObject([
      { outcome: 'success', actor_id: user.id },
    ]);
    const again = await exported(credential, protocol);
    expect(again.securityEvents.map(({ kind }) => kind)).toContain('account.export');
  });

  it('shows nothing of others, and no session that has ended', async () => {
    const [one, other] = [await person(), await person()];
    const ended = await signIn(service, one.name);
    await service.auth().logout({}, bearer(ended.accessToken));
    const text = JSON.stringify(await exported(one.credential));
    for (const part of [other.name, other.user.id, other.user.email]) expect(text).not.toContain(part);
    expect((await exported(one.credential))['sessions']).toHaveLength(1);
  });

  it('says so when there is more than it holds, and stays below what a client takes', async () => {
    const { user, credential } = await person();
    // Newer than whatever the account has done by itself.
    const ahead = Date.now() + 60_000;
    const event = (index: number) =>
      auditEvent(
        { clock: { now: () => ahead + index }, newId: service.app.newId },
        {
          kind: 'session.login',
          outcome: 'success',
          accountId: user.id,
          origin: { ...ORIGIN, userAgent: '李'.repeat(300) },
        },
      );
    await service.app.transact(async ({ audit }) => {
      for (let index = 0; index < 4_000; index += 1) await audit.append(event(index));
    });
    const { exportJson } = await service.user().exportMe({}, credential);
    expect(Buffer.byteLength(exportJson)).toBeLessThan(4 * 1024 * 1024);
    const { securityEvents, truncated } = JSON.parse(exportJson) as Export;
    expect(truncated).toEqual(['securityEvents']);
    expect(securityEvents.length).toBeGreaterThan(1_500);
    const times = securityEvents.map(({ time }) => String(time));
    expect(times).toEqual(times.toSorted().toReversed());
    expect(times[0]).toBe(new Date(ahead + 3_999).toISOString());
  });
});

/** Every path of the document with its value. */
function flatten(value: unknown, path = ''): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return { [path]: value };
  return Object.assign(
    {},
    ...Object.entries(value).map(([key, child]) => flatten(child, `${path}.${key}`)),
  ) as Record<string, unknown>;
}
