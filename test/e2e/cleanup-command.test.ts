// The command that deletes what has ended: beside a running node, embedded, and only looking.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from 'pg';
import { endChild, runLatchkey, serveChild, temporaryFolder } from '../support/child-service.ts';
import { openServerDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { withClient } from '../support/private-postgres.ts';
import { createTestDatabase, describeWithPostgres, type TestDatabase } from '../support/services.ts';

const CLEANUP_LOCK = 0x1a7c_4e17;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

async function run(args: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const child = runLatchkey(folder.path, args, variables);
  const code = await child.exit;
  const lines = child.stdout().trim().split('\n');
  const count = (name: string) =>
    lines
      .find((line) => line.trim().endsWith(` ${name}`))
      ?.trim()
      .split(' ')[0];
  return { code, stderr: child.stderr(), title: lines[0], count };
}

describeWithPostgres('latchkey cleanup on Postgres', () => {
  let database: TestDatabase;
  let variables: Record<string, string>;
  beforeAll(async () => {
    database = await createTestDatabase();
    variables = {
      LATCHKEY_DATABASE_URL: database.url,
      LATCHKEY_MASTER_KEY: randomBytes(32).toString('base64'),
    };
  });
  afterAll(() => database.drop());
  const rows = () =>
    withClient(database.url, async (client) => {
      const { rows } = await client.query<Record<string, number>>(
        `select (select count(*)::int from sessions) as sessions, (select count(*)::int from revocations) as revocations,
           (select count(*)::int from known_devices) as devices`,
      );
      return rows[0];
    });

  it('refuses a schema that is behind, in one line that says what to do', async () => {
    const { code, stderr } = await run(['cleanup'], variables);
    expect(code).toBe(78);
    expect(stderr).toMatch(/^latchkey: .*run: latchkey migrate\n$/);
    const opened = await openServerDatabase(database.url);
    await opened.migrate();
    await opened.close();
  });

  it('only looks when that is asked', async () => {
    await withClient(database.url, fill);
    const looked = await run(['cleanup', '--dry-run'], variables);
    expect(looked).toMatchObject({ code: 0, stderr: '', title: 'Would be deleted: 4200 rows' });
    const kinds = ['sessions', 'revocations', 'devices not seen', 'API keys'];
    expect(kinds.map(looked.count)).toEqual(['3000', '500', '700', '0']);
    expect(await rows()).toEqual({ sessions: 3_010, revocations: 500, devices: 701 });
  });

  it('deletes just that, beside a running node', async () => {
    const node = await serveChild(folder.path, variables);
    try {
      const taken = await run(['cleanup'], variables);
      expect(taken).toMatchObject({ code: 0, stderr: '', title: 'Deleted: 4200 rows' });
      expect(['sessions', 'revocations', 'devices not seen'].map(taken.count)).toEqual([
        '3000',
        '500',
        '700',
      ]);
      expect(await rows()).toEqual({ sessions: 10, revocations: 0, devices: 1 });
    } finally {
      await endChild(node);
    }
  });

  it('waits its turn while another node is at it, and says so', async () => {
    await withClient(database.url, fill);
    const child = await withClient(database.url, async (client) => {
      await client.query('begin');
      await client.query('select pg_advisory_xact_lock($1)', [CLEANUP_LOCK]);
      const waiting = runLatchkey(folder.path, ['cleanup'], variables);
      await eventually(() => waiting.stderr().includes('another node'), { timeoutMs: 50_000 });
      expect(waiting.stdout()).toBe('');
      await client.query('commit');
      return waiting;
    });
    expect(await child.exit).toBe(0);
    expect(child.stdout()).toContain('Deleted: 4200 rows');
    expect(child.stderr()).toBe('latchkey: another node is cleaning up too; taking turns with it\n');
  });
});

describe('latchkey cleanup, embedded', () => {
  it('works while the service is stopped, and only then', async () => {
    const node = await serveChild(folder.path);
    try {
      const { code, stderr } = await run(['cleanup']);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^latchkey: LATCHKEY_DATA_DIR: .*\n$/);
      node.signal('SIGTERM');
      expect(await node.exit).toBe(0);
    } finally {
      await endChild(node);
    }
    expect(await run(['cleanup'])).toMatchObject({ code: 0, stderr: '', title: 'Deleted: 0 rows' });
  }, 180_000);

  it('knows no other option', async () => {
    expect((await run(['cleanup', '--everything'])).code).toBe(1);
  });
});

/** 3,000 sessions that are over and 10 that live, 500 revocations, and a user with 701 devices of which one counts. */
async function fill(client: Client): Promise<void> {
  await client.query(`
    insert into users (id, email, email_key, full_name, role, create_time, update_time)
    values (gen_random_uuid(), 'a@b.c', 'a@b.c', '', 'user', now(), now()) on conflict do nothing`);
  await client.query('delete from sessions; delete from known_devices');
  await client.query(`
    insert into sessions (id, user_id, generation, salt, epoch, device_name, ip_address, user_agent, amr, auth_time, create_time,
      last_seen_time, expire_time, max_expire_time)
    select gen_random_uuid(), (select id from users), 1, '', 1, '', '', '', '{}', t, t, t, t, t
    from generate_series(1, 3010) n, lateral (select now() + (case when n <= 10 then 1 else -60 end) * interval '1 day' as t) as ends`);
  await client.query(`
    insert into revocations (form, target_id, min_version, revoke_time, expire_time)
    select 'token', n::text, 0, now() - interval '3 days', now() - interval '2 days' from generate_series(1, 500) n`);
  await client.query(`
    insert into known_devices (user_id, fingerprint, last_seen_time)
    select (select id from users), decode(lpad(to_hex(n), 8, '0'), 'hex'), now() - interval '300 days' + n * interval '1 second'
    from generate_series(1, 701) n`);
}
