// `latchkey grant` and `latchkey audit verify` as an operator runs them, and a service that runs as the role that was granted.

import { randomBytes } from 'node:crypto';
import { DatabaseError } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endChild, runLatchkey, serveChild, temporaryFolder } from '../support/child-service.ts';
import type { ServingChild } from '../support/child-service.ts';
import { containingText } from '../support/matchers.ts';
import { eventually } from '../support/eventually.ts';
import { withClient } from '../support/private-postgres.ts';
import { createTestDatabase, describeWithPostgres, type TestDatabase } from '../support/services.ts';
import { GOOD_PASSWORD } from '../support/service.ts';

type Folder = Awaited<ReturnType<typeof temporaryFolder>>;
type Variables = Readonly<Record<string, string>>;

const runIn =
  (folder: () => Folder) =>
  async (variables: Variables, ...args: string[]) => {
    const child = runLatchkey(folder().path, args, variables);
    const code = await child.exit;
    return { code, stdout: child.stdout(), stderr: child.stderr() };
  };

const call = async (child: ServingChild, service: string, method: string, body: object, token = '') => {
  const answer = await fetch(`${child.httpUrl}/latchkey.v1.${service}/${method}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};

const columnOf = (table: string) =>
  ({ audit_seals: 'hash', audit_retirements: 'last_hash' })[table] ?? 'kind';

const headOf = (stdout: string) => /^head (?<head>\d+:[0-9a-f]{64})$/m.exec(stdout)?.groups?.['head'] ?? '';

describeWithPostgres('two database roles', () => {
  const owner = `owner_${randomBytes(5).toString('hex')}`;
  const service = `service_${randomBytes(5).toString('hex')}`;
  const masterKey = randomBytes(32).toString('base64');
  let folder: Folder;
  let database: TestDatabase;
  let child: ServingChild | undefined;
  const run = runIn(() => folder);
  const as = (role: string): Variables => {
    const url = new URL(database.url);
    url.username = role;
    return { LATCHKEY_DATABASE_URL: url.href, LATCHKEY_MASTER_KEY: masterKey };
  };
  const urlOf = (role: string) => as(role)['LATCHKEY_DATABASE_URL'] ?? '';

  beforeAll(async () => {
    folder = await temporaryFolder();
    database = await createTestDatabase();
    // As docs/operations/database-roles.md says.
    await withClient(database.url, async (client) => {
      await client.query(`create role ${owner} login`);
      await client.query(`create role ${service} login`);
      await client.query(`alter database "${database.name}" owner to ${owner}`);
      await client.query(`alter schema public owner to ${owner}`);
      await client.query(`revoke create on schema public from public`);
    });
  });
  afterAll(async () => {
    await endChild(child);
    const { url } = database;
    const admin = new URL(url);
    admin.pathname = '/postgres';
    await database.drop();
    await withClient(admin.href, (client) => client.query(`drop role ${owner}, ${service}`));
    await folder.remove();
  });

  it('the owner migrates, and the service cannot do anything before it is granted', async () => {
    expect(await run(as(owner), 'migrate')).toMatchObject({ code: 0, stderr: '' });
    expect(await run(as(owner), 'bootstrap')).toMatchObject({ code: 0, stderr: '' });
    const { code, stderr } = await run(as(service), 'serve');
    expect(code).toBeGreaterThan(0);
    expect(stderr).toContain('permission denied');
  });

  it('grant can be run again, and refuses roles that could undo it', async () => {
    for (let time = 0; time < 2; time += 1)
      expect(await run(as(owner), 'grant', service)).toEqual({
        code: 0,
        stdout: `${service} may run the service; it can add to the audit log and not change it.\n`,
        stderr: '',
      });
    expect(await run(as(owner), 'grant', 'nobody"; drop table users; --')).toMatchObject({
      code: 78,
      stderr: 'latchkey: there is no role nobody"; drop table users; --\n',
    });
    for (const mighty of [owner, 'postgres']) {
      const { code, stderr } = await run(as(owner), 'grant', mighty);
      expect([code, stderr]).toEqual([78, containingText('may become a role that does')]);
    }
    await withClient(database.url, async (client) => {
      await client.query(`grant create on schema public to ${service}`);
      const { code, stderr } = await run(as(owner), 'grant', service);
      expect([code, stderr]).toEqual([78, containingText('revoke create on schema public from public')]);
      await client.query(`revoke create on schema public from ${service}`);
    });
  });

  it('grant leaves no table out, and grants no role more than is needed', async () => {
    const { rows } = await withClient(database.url, (client) =>
      client.query<{ name: string; reads: boolean; alters: boolean }>(
        `select c.relname as name, has_table_privilege($1, c.oid, 'select') as reads,
           has_table_privilege($1, c.oid, 'truncate') or has_table_privilege($1, c.oid, 'trigger')
             or has_table_privilege($1, c.oid, 'references') as alters
         from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`,
        [service],
      ),
    );
    expect(rows.filter(({ reads }) => !reads)).toEqual([]);
    expect(rows.filter(({ alters }) => alters)).toEqual([]);
  });

  it('a service that runs as the granted role serves', async () => {
    child = await serveChild(folder.path, as(service));
    const email = 'ada@example.com';
    const registered = await call(child, 'AuthService', 'Register', {
      email,
      password: GOOD_PASSWORD,
      fullName: 'Ada',
    });
    expect(registered.status).toBe(200);
    const login = await call(child, 'AuthService', 'Login', { identifier: email, password: GOOD_PASSWORD });
    expect(login.status).toBe(200);
    const { accessToken } = login.body['tokens'] as { accessToken: string };
    const events = await call(child, 'UserService', 'ListSecurityEvents', {}, accessToken);
    const kinds = (events.body['events'] as ReadonlyArray<{ kind: string }>).map(({ kind }) => kind);
    expect(kinds.toSorted()).toEqual(['account.register', 'session.login']);
    await eventually(async () => {
      const { stdout } = await run(as(service), 'audit', 'verify');
      return stdout.includes('The audit log is whole.') && !stdout.includes('wait to be sealed');
    });
  });

  it('the database refuses the role whatever would change the log', async () => {
    const { rows } = await withClient(urlOf(owner), (client) =>
      client.query<{ name: string }>(
        `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_events'::regclass`,
      ),
    );
    const partitions = rows.map(({ name }) => name);
    expect(partitions.length).toBeGreaterThan(12);
    const tables = ['audit_events', 'audit_seals', 'audit_retirements', ...partitions];
    const changes = tables.flatMap((table) => [
      `update ${table} set ${columnOf(table)} = null`,
      `delete from ${table}`,
      `truncate ${table}`,
      `drop table ${table}`,
      `alter table ${table} disable trigger all`,
      `alter table ${table} add column x int`,
    ]);
    const tricks = [
      `alter table audit_events detach partition ${partitions[0]}`,
      `insert into audit_retirements values (now(), now(), 1, '')`,
      `insert into audit_events_default select * from audit_events`,
      `update audit_queue set event_id = gen_random_uuid()`,
      `select audit_add_month(now())`,
      `set session_replication_role = replica`,
      `create or replace function audit_refuse_change() returns trigger language plpgsql as 'begin return old; end'`,
      `create table public.mine (x int)`,
    ];
    await withClient(urlOf(service), async (client) => {
      const codeOf = (statement: string) =>
        client.query(statement).then(
          () => 'done',
          (error: unknown) => (error instanceof DatabaseError ? error.code : String(error)),
        );
      const others: string[] = [];
      for (const statement of [...changes, ...tricks]) {
        const code = await codeOf(statement);
        // insufficient_privilege
        if (code !== '42501') others.push(`${statement}: ${code}`);
      }
      expect(others).toEqual([]);
      // What lets the owner's functions work is of no use to another.
      await client.query(`set latchkey.audit_upkeep = 'on'`);
      await expect(client.query('delete from audit_events')).rejects.toMatchObject({ code: '42501' });
    });
  });

  it('the role keeps the months by the functions alone, within their bounds', async () => {
    await withClient(urlOf(service), async (client) => {
      await client.query(`select audit_extend(now() + interval '14 months')`);
      await expect(client.query(`select audit_extend(now() + interval '40 months')`)).rejects.toThrow(
        'two years',
      );
      await expect(client.query(`select audit_retire(now(), gen_random_uuid())`)).rejects.toThrow('30 days');
      // A table of the caller's own, in front of ours, is not looked at.
      await client.query('create temporary table audit_queue (event_time timestamptz, event_id uuid)');
      await client.query(
        'create temporary table audit_seals (reach timestamptz, first_number bigint, event_count int, hash bytea)',
      );
      await client.query(`select audit_retire(now() - interval '31 days', gen_random_uuid())`);
    });
    expect((await run(as(service), 'audit', 'verify')).code).toBe(0);
  });

  it('audit verify shows by an earlier head that nothing was cut off, and names what was tampered with', async () => {
    const first = await run(as(owner), 'audit', 'verify');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    const head = headOf(first.stdout);
    expect((await run(as(service), 'audit', 'verify', '--expect', head)).code).toBe(0);
    const other = `${head.slice(0, -1)}${head.endsWith('0') ? '1' : '0'}`;
    const anew = await run(as(owner), 'audit', 'verify', '--expect', other);
    expect([anew.code, anew.stdout]).toEqual([1, containingText('the log was made anew')]);
    expect(await run(as(owner), 'audit', 'verify', '--expect', '1:x')).toMatchObject({
      code: 78,
      stderr: containingText('--expect'),
    });
    const id = await withClient(database.url, async (client) => {
      await client.query('set session_replication_role = replica');
      const { rows } = await client.query<{ id: string }>(
        `update audit_events set ip_address = '203.0.113.9' where kind = 'account.register' returning id`,
      );
      return rows[0]?.id;
    });
    const tampered = await run(as(service), 'audit', 'verify');
    expect(tampered.code).toBe(1);
    expect(tampered.stdout).toMatch(new RegExp(`^number \\d+ event ${id} was altered$`, 'm'));
    expect(tampered.stdout).toContain('NOT whole: 1 fault.');
  });
});

describe('audit verify, embedded', () => {
  let folder: Folder;
  const run = runIn(() => folder);
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => folder.remove());

  it('works while the service is stopped, and says so while it runs', { timeout: 180_000 }, async () => {
    const child = await serveChild(folder.path);
    try {
      expect(await run({}, 'audit', 'verify')).toMatchObject({
        code: 1,
        stderr: containingText('in use'),
      });
    } finally {
      child.signal('SIGTERM');
      await child.exit;
    }
    const { code, stdout } = await run({}, 'audit', 'verify');
    expect([code, stdout]).toEqual([0, containingText('The audit log is whole.')]);
    expect((await run({}, 'audit', 'verify', '--expect', headOf(stdout))).code).toBe(0);
    expect(await run({}, 'grant', 'somebody')).toMatchObject({ code: 78 });
  });
});
