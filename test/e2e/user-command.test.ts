// latchkey user grant-super-admin: beside a running service on Postgres, and on the embedded database while the service is stopped.

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
    async login(identifier: string) {
      const { outcome } = await auth.login({ identifier, password: GOOD_PASSWORD });
      if (outcome.case !== 'tokens') throw new Error(`login answered ${outcome.case ?? 'nothing'}`);
      return outcome.value;
    },
    register: (email: string) => auth.register({ email, password: GOOD_PASSWORD, fullName: 'Ada' }),
  };
}

const grantWith =
  (folder: string, variables: Readonly<Record<string, string>>) =>
  async (...args: string[]) => {
    const child = runLatchkey(folder, ['user', 'grant-super-admin', ...args], variables);
    const code = await child.exit;
    return { code, stdout: child.stdout(), stderr: child.stderr() };
  };

describeWithPostgres('latchkey user grant-super-admin', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let testDatabase: TestDatabase;
  let database: Awaited<ReturnType<typeof openServerDatabase>>;
  let service: ServingChild;
  let grant: ReturnType<typeof grantWith>;
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
    grant = grantWith(folder.path, variables);
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
  const eventsOf = (id: string) =>
    database.tables
      .selectFrom('audit_events')
      .select(['outcome', 'reason', 'actor_id', 'target_id', 'details', 'ip_address'])
      .where('account_id', '=', id)
      .where('kind', '=', 'account.role_change')
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

    // Again, by the id: nothing happens, and nobody has to log in again.
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
});

describe('latchkey user grant-super-admin, embedded', () => {
  it('works while the service is stopped, and says so while it runs', async () => {
    const folder = await temporaryFolder();
    const variables = { LATCHKEY_DATA_DIR: folder.path, LATCHKEY_RATE_LIMITS: 'off' };
    const grant = grantWith(folder.path, variables);
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
    } finally {
      await endChild(service);
      await folder.remove();
    }
  }, 120_000);
});
