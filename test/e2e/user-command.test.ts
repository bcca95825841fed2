// latchkey user grant-super-admin, unlock and create: beside a running service on Postgres, and on the embedded database while the service is stopped.

import { randomBytes } from 'node:crypto';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import {
  endChild,
  runLatchkey,
  serveChild,
  temporaryFolder,
  type ServingChild,
} from '../support/child-service.ts';
import { openServerDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { endingOf } from '../support/rpc-calls.ts';
import { bearer, GOOD_PASSWORD } from '../support/service.ts';
import { createTestDatabase, describeWithPostgres, type TestDatabase } from '../support/services.ts';

function clientsOf({ grpcAddress }: Pick<ServingChild, 'grpcAddress'>) {
  const transport = createGrpcTransport({ baseUrl: `http://${grpcAddress}` });
  const auth = createClient(AuthService, transport);
  const user = createClient(UserService, transport);
  return {
    user,
    async login(identifier: string, password = GOOD_PASSWORD) {
      const { outcome } = await auth.login({ identifier, password });
      if (outcome.case !== 'tokens') throw new Error(`login answered ${outcome.case ?? 'nothing'}`);
      return outcome.value;
    },
    fail: (identifier: string) => endingOf(auth.login({ identifier, password: 'Wrong-Horse-42!' })),
    resetPassword: (token: string) => auth.resetPassword({ token, newPassword: GOOD_PASSWORD }),
    register: (email: string) => auth.register({ email, password: GOOD_PASSWORD, fullName: 'Ada' }),
  };
}

const commandWith =
  (command: string, folder: string, variables: Readonly<Record<string, string>>) =>
  async (...args: string[]) => {
    const child = runLatchkey(folder, ['user', command, ...args], variables);
    const code = await child.exit;
    return { code, stdout: child.stdout(), stderr: child.stderr() };
  };

describeWithPostgres('latchkey user', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let testDatabase: TestDatabase;
  let database: Awaited<ReturnType<typeof openServerDatabase>>;
  let service: ServingChild;
  let grant: ReturnType<typeof commandWith>;
  let unlock: typeof grant;
  let create: typeof grant;
  let onEmpty: Awaited<ReturnType<typeof grant>>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    testDatabase = await createTestDatabase();
    const variables = {
      LATCHKEY_DATABASE_URL: testDatabase.url,
      LATCHKEY_MASTER_KEY: randomBytes(32).toString('base64'),
      LATCHKEY_RATE_LIMITS: 'off',
      LATCHKEY_DATA_DIR: folder.path,
    };
    grant = commandWith('grant-super-admin', folder.path, variables);
    unlock = commandWith('unlock', folder.path, variables);
    create = commandWith('create', folder.path, variables);
    database = await openServerDatabase(testDatabase.url);
    onEmpty = await grant('ada@example.com');
    await database.migrate();
    service = await serveChild(folder.path, variables);
  }, 120_000);
  afterAll(async () => {
    await endChild(service);
    await database.close();
    await testDatabase.drop();
    await folder.remove();
  });

  const idOf = async (email: string) => {
    const row = await database.tables
      .selectFrom('users')
      .select('id')
      .where('email', '=', email)
      .executeTakeFirst();
    return row?.id ?? '';
  };
  const eventsOf = (id: string, kind = 'account.role_change') =>
    database.tables
      .selectFrom('audit_events')
      .select(['outcome', 'reason', 'actor_id', 'target_id', 'details', 'ip_address'])
      .where('account_id', '=', id)
      .where('kind', '=', kind)
      .orderBy('id')
      .execute();

  it('refuses a schema that is behind', () => {
    expect(onEmpty).toMatchObject({ code: 78, stdout: '' });
    expect(onEmpty.stderr).toContain('run: latchkey migrate');
  });

  it('counts on a running node within the poll: old tokens end, the next login has the role', async () => {
    const { user, login, register } = clientsOf(service);
    await register('ada@example.com');
    const id = await idOf('ada@example.com');
    const { accessToken } = await login('ada@example.com');
    await user.getMe({}, bearer(accessToken));
    const granted = await grant('ADA@example.com');
    expect(granted).toMatchObject({ code: 0, stderr: '' });
    expect(granted.stdout).toContain(`ada@example.com (${id}) is a super_admin now`);
    await eventually(async () =>
      (await endingOf(user.getMe({}, bearer(accessToken)))).includes('TOKEN_REVOKED'),
    );
    const next = await login('ada@example.com');
    expect(next.scopes).toContain('roles:write');
    const event = {
      outcome: 'success',
      reason: null,
      actor_id: null,
      target_id: id,
      ip_address: '',
      details: { from: 'user', to: 'super_admin', by: 'command line' },
    };
    expect(await eventsOf(id)).toEqual([event]);

    // Again, by the id: nothing happens, and no session ends.
    const again = await grant(id.toUpperCase());
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain('is a super_admin already');
    await user.getMe({}, bearer(next.accessToken));
    expect(await eventsOf(id)).toEqual([event]);
  }, 120_000);

  it('refuses who is suspended, and who is not there, in one line', async () => {
    const { register } = clientsOf(service);
    await register('barred@example.com');
    const id = await idOf('barred@example.com');
    await database.tables.updateTable('users').set({ status: 'suspended' }).where('id', '=', id).execute();
    expect(await grant('barred@example.com')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'latchkey: This account is suspended. Reactivate it first.\n',
    });
    expect(await eventsOf(id)).toMatchObject([
      { outcome: 'refused', reason: 'ACCOUNT_SUSPENDED', actor_id: null },
    ]);
    const { role } = await database.tables
      .selectFrom('users')
      .select('role')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    expect(role).toBe('user');
    const unknown = ['nobody@example.com', '0198c0de-0000-7000-8000-000000000000', 'ada'];
    for (const refused of await Promise.all(unknown.map((name) => grant(name))))
      expect(refused).toEqual({
        code: 1,
        stdout: '',
        stderr: 'latchkey: There is no account with this e-mail address or id.\n',
      });
  }, 120_000);

  it('unlocks beside a running service, by address or id, and says when there was nothing', async () => {
    const { register, login, fail } = clientsOf(service);
    await register('locked@example.com');
    const id = await idOf('locked@example.com');
    const nothing = {
      code: 0,
      stdout: `locked@example.com (${id}) had no failed logins; nothing has been changed.\n`,
      stderr: '',
    };
    expect(await unlock('locked@example.com')).toEqual(nothing);
    for (const name of ['LOCKED@example.com', id]) {
      for (let failure = 0; failure < 5; failure += 1) await fail('locked@example.com');
      expect(await endingOf(login('locked@example.com'))).toContain('ACCOUNT_LOCKED');
      expect(await unlock(name)).toEqual({
        code: 0,
        stdout: `locked@example.com (${id}) has no failed logins any more, and is not locked.\n`,
        stderr: '',
      });
      expect((await login('locked@example.com')).accessToken).not.toBe('');
    }
    expect(await unlock(id)).toEqual(nothing);
    const event = { outcome: 'success', actor_id: null, target_id: id, ip_address: '' };
    expect(await eventsOf(id, 'account.unlock')).toMatchObject([event, event]);
    expect(await unlock('nobody@example.com')).toMatchObject({ code: 1, stdout: '' });
  }, 120_000);

  it('creates an account whose owner sets a password by the link that is printed', async () => {
    const { login, resetPassword } = clientsOf(service);
    const made = await create('invited@example.com', '--username', 'invited', '--role', 'moderator');
    expect(made.code).toBe(0);
    const id = await idOf('invited@example.com');
    expect(made.stderr).toContain(`invited@example.com (${id}) has an account with the role moderator now.`);
    const [, token = ''] = /^\S+\/accept-invitation#token=(lkin_\S+)\n$/.exec(made.stdout) ?? [];
    await resetPassword(token);
    expect((await login('invited')).scopes).toContain('users:read');
    const row = database.tables.selectFrom('users').select('email_verified').where('id', '=', id);
    // The link was not mailed: it proves no address.
    expect(await row.executeTakeFirst()).toEqual({ email_verified: false });
    expect(await eventsOf(id, 'account.create')).toEqual([
      {
        outcome: 'success',
        reason: null,
        actor_id: null,
        target_id: id,
        ip_address: '',
        details: { role: 'moderator', by: 'command line', entry: 'link' },
      },
    ]);
    const mails = database.tables
      .selectFrom('outbox_mails')
      .select('letter')
      .where('recipient', '=', 'invited@example.com');
    const templates = (await mails.execute()).map(({ letter }) => letter['template']);
    expect(templates).not.toContain('invitation');
  }, 120_000);

  it('creates one with a password of its own making, and refuses what is taken or wrong in one line', async () => {
    const options = ['--generate-password', '--email-verified', '--full-name', 'Grace Hopper'];
    const made = await create('grace@example.com', ...options);
    expect(made).toMatchObject({ code: 0 });
    expect(made.stdout).toMatch(/^\S{27}\n$/);
    const { login } = clientsOf(service);
    expect((await login('grace@example.com', made.stdout.trim())).accessToken).not.toBe('');
    const row = database.tables.selectFrom('users').select(['email_verified', 'full_name', 'role']);
    expect(await row.where('email', '=', 'grace@example.com').executeTakeFirst()).toEqual({
      email_verified: true,
      full_name: 'Grace Hopper',
      role: 'user',
    });
    const refused = async (...args: string[]) => {
      const { code, stdout, stderr } = await create(...args);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      return stderr;
    };
    expect(await refused('GRACE@example.com')).toBe('latchkey: Another account has this e-mail address.\n');
    expect(await refused('no-address', '--username', 'x')).toMatch(/^latchkey: email: .*; --username: .*\n$/);
    expect(await refused('a@example.com', '--role', 'nobody')).toContain('There is no role of this name.');
    expect(await refused('a@example.com', '--role', 'super_admin')).toContain('grant-super-admin');
  }, 120_000);
});

describe('latchkey user, embedded', () => {
  it('works while the service is stopped, and says so while it runs', async () => {
    const folder = await temporaryFolder();
    const variables = { LATCHKEY_DATA_DIR: folder.path, LATCHKEY_RATE_LIMITS: 'off' };
    const grant = commandWith('grant-super-admin', folder.path, variables);
    const unlock = commandWith('unlock', folder.path, variables);
    let service = await serveChild(folder.path, variables);
    try {
      await clientsOf(service).register('ada@example.com');
      const running = await grant('ada@example.com');
      expect(running.code).toBeGreaterThan(0);
      expect(running.stderr.trim().split('\n')).toHaveLength(1);
      expect(running.stderr).toContain(folder.path);
      service.signal('SIGTERM');
      expect(await service.exit).toBe(0);
      expect(await grant('nobody@example.com')).toMatchObject({ code: 1 });
      expect(await grant('ada@example.com')).toMatchObject({ code: 0, stderr: '' });
      service = await serveChild(folder.path, variables);
      const { login, user } = clientsOf(service);
      const { accessToken } = await login('ada@example.com');
      expect((await user.getMe({}, bearer(accessToken))).user?.role).toBe('super_admin');
      // Strangers who keep the super_admin out.
      const { fail } = clientsOf(service);
      for (let failure = 0; failure < 5; failure += 1) await fail('ada@example.com');
      expect(await endingOf(login('ada@example.com'))).toContain('ACCOUNT_LOCKED');
      service.signal('SIGTERM');
      expect(await service.exit).toBe(0);
      expect(await unlock('ada@example.com')).toMatchObject({ code: 0, stderr: '' });
      service = await serveChild(folder.path, variables);
      expect((await clientsOf(service).login('ada@example.com')).accessToken).not.toBe('');
    } finally {
      await endChild(service);
      await folder.remove();
    }
  }, 120_000);
});
