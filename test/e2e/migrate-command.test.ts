// The commands against a database server: migrate, bootstrap, and a service that refuses a schema that is behind.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { endChild, runLatchkey, serveChild, temporaryFolder } from '../support/child-service.ts';
import { uuidFromBytes } from '../../src/crypto/uuid-bytes.ts';
import { API_KEY_PREFIX } from '../../src/domain/api-key/api-key.ts';
import { eventually } from '../support/eventually.ts';
import { ROOT } from '../support/printed-steps.ts';
import { withClient } from '../support/private-postgres.ts';
import { createTestDatabase, describeWithPostgres, type TestDatabase } from '../support/services.ts';

const Secrets = z.strictObject({
  adminEmail: z.string(),
  adminPassword: z.string(),
  gatewayApiKey: z.string(),
});

describeWithPostgres('the commands on Postgres', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let database: TestDatabase;
  let variables: Record<string, string>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    database = await createTestDatabase();
    variables = {
      LATCHKEY_DATABASE_URL: database.url,
      LATCHKEY_MASTER_KEY: randomBytes(32).toString('base64'),
    };
  });
  afterAll(async () => {
    await database.drop();
    await folder.remove();
  });

  const run = async (...args: string[]) => {
    const child = runLatchkey(folder.path, args, variables);
    const code = await child.exit;
    return { code, stdout: child.stdout(), stderr: child.stderr() };
  };

  it('serve and bootstrap refuse a schema that is behind, in one line that says what to do', async () => {
    for (const command of ['serve', 'bootstrap']) {
      const { code, stderr } = await run(command);
      expect(code).toBeGreaterThan(0);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(stderr).toContain('latchkey migrate');
    }
  });

  it('migrate brings the schema up to date once; a rerun and concurrent runs do nothing', async () => {
    const first = await Promise.all([run('migrate'), run('migrate')]);
    expect(first.map(({ code, stderr }) => `${code} ${stderr}`)).toEqual(['0 ', '0 ']);
    const applied = first.filter(({ stdout }) => stdout.startsWith('Applied: '));
    expect(applied).toHaveLength(1);
    expect(await run('migrate')).toEqual({ code: 0, stdout: 'The schema is up to date.\n', stderr: '' });
  });

  it('bootstrap changes nothing when its output cannot be written', async () => {
    const script = `exec ${process.execPath} ${join(ROOT, 'src/main.ts')} bootstrap > /dev/full`;
    const environment = { ...process.env, LATCHKEY_ARGON2_MEMORY_KIB: '1024', ...variables };
    const { status, stderr } = spawnSync('sh', ['-c', script], {
      cwd: folder.path,
      env: environment,
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^latchkey: .*ENOSPC.*\n$/);
  });

  it('bootstrap that is killed as it prints leaves secrets that work, or can be run again', async () => {
    const other = await createTestDatabase();
    const onOther = { ...variables, LATCHKEY_DATABASE_URL: other.url };
    expect(await runLatchkey(folder.path, ['migrate'], onOther).exit).toBe(0);
    const killed = runLatchkey(folder.path, ['bootstrap'], onOther);
    await eventually(() => killed.stdout().includes('gatewayApiKey'));
    killed.signal('SIGKILL');
    await killed.exit;
    const again = runLatchkey(folder.path, ['bootstrap'], onOther);
    const code = await again.exit;
    const { gatewayApiKey } = Secrets.parse(JSON.parse(code === 0 ? again.stdout() : killed.stdout()));
    const id = uuidFromBytes(
      Buffer.from(gatewayApiKey.slice(API_KEY_PREFIX.length), 'base64url').subarray(0, 16),
    );
    const { rows } = await withClient(other.url, (client) => client.query('select id::text from api_keys'));
    expect(rows).toEqual([{ id }]);
    await other.drop();
  });

  it('bootstrap prints the secrets as JSON once, and they work', async () => {
    const first = await run('bootstrap', '--admin-email', 'root@example.com');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    const secrets = Secrets.parse(JSON.parse(first.stdout));
    expect(secrets.adminEmail).toBe('root@example.com');

    const second = await run('bootstrap');
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toBe(
      'latchkey: this database has its administrator already; nothing has been changed\n',
    );

    const child = await serveChild(folder.path, variables);
    try {
      const answer = await fetch(`${child.httpUrl}/latchkey.v1.AuthService/Login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ identifier: 'admin', password: secrets.adminPassword }),
      });
      expect(answer.status).toBe(200);
      const gateway = await fetch(`${child.httpUrl}/latchkey.v1.AuthService/ValidateToken`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': secrets.gatewayApiKey },
        body: JSON.stringify({ token: secrets.gatewayApiKey }),
      });
      expect(await gateway.json()).toMatchObject({ active: true });
      child.signal('SIGTERM');
      expect(await child.exit).toBe(0);
    } finally {
      await endChild(child);
    }
  });

  it('another master key is refused in one line', async () => {
    const own = variables;
    variables = { ...own, LATCHKEY_MASTER_KEY: randomBytes(32).toString('base64') };
    const { code, stderr } = await run('serve');
    variables = own;
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(/^latchkey: LATCHKEY_MASTER_KEY: .*\n$/);
  });
});
