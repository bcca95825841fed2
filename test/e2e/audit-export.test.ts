// `latchkey audit export`, embedded and on Postgres: lines of JSON, oldest first, whole or not at all.

import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, describe } from 'vitest';
import { z } from 'zod';
import { endChild, runLatchkey, serveChild, temporaryFolder } from '../support/child-service.ts';
import { createTestDatabase, describeWithPostgres } from '../support/services.ts';

const Line = z.strictObject({
  number: z.int().positive().optional(),
  id: z.uuid(),
  time: z.iso.datetime(),
  kind: z.string(),
  outcome: z.enum(['success', 'refused']),
  reason: z.string().optional(),
  actor: z.string().optional(),
  target: z.string().optional(),
  account: z.string().optional(),
  ip: z.string(),
  userAgent: z.string(),
  requestId: z.string(),
  details: z.record(z.string(), z.string()).optional(),
});

function linesOf(text: string) {
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => Line.parse(JSON.parse(line)));
}

function suite(open: () => Promise<{ variables: Record<string, string>; close(): Promise<unknown> }>) {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let opened: Awaited<ReturnType<typeof open>>;

  const run = async (...args: string[]) => {
    const child = runLatchkey(folder.path, ['audit', 'export', ...args], opened.variables);
    const code = await child.exit;
    return { code, stdout: child.stdout(), stderr: child.stderr() };
  };

  beforeAll(async () => {
    folder = await temporaryFolder();
    opened = await open();
    const migrated = runLatchkey(folder.path, ['migrate'], opened.variables);
    expect(await migrated.exit).toBe(0);
    const child = await serveChild(folder.path, opened.variables);
    try {
      for (let times = 0; times < 3; times += 1) {
        await fetch(`${child.httpUrl}/latchkey.v1.AuthService/Login`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-request-id': `exported-${times}` },
          body: JSON.stringify({ identifier: 'nobody@example.com', password: 'Wrong-Horse-42-Staple!' }),
        });
      }
      child.signal('SIGTERM');
      expect(await child.exit).toBe(0);
    } finally {
      await endChild(child);
    }
  });
  afterAll(async () => {
    await opened.close();
    await folder.remove();
  });

  it('writes every event as a line to standard output, oldest first, and nothing else', async () => {
    const { code, stdout, stderr } = await run();
    expect([code, stderr]).toEqual([0, '']);
    const lines = linesOf(stdout);
    expect(lines.map(({ time }) => time)).toEqual(lines.map(({ time }) => time).toSorted());
    const failed = lines.filter(({ kind, outcome }) => kind === 'session.login' && outcome === 'refused');
    expect(failed.map(({ requestId }) => requestId)).toEqual(['exported-0', 'exported-1', 'exported-2']);
    expect(failed[0]).toMatchObject({ reason: 'INVALID_CREDENTIALS', ip: '127.0.0.1' });
    const numbers = lines.flatMap(({ number }) => number ?? []);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('writes a file that is there only when it is whole, and says how many', async () => {
    const file = join(folder.path, 'events.ndjson');
    await writeFile(file, 'older');
    const { code, stdout, stderr } = await run('--output', file, '--kind', 'session.*', 'role.upsert');
    expect([code, stderr]).toEqual([0, '']);
    const lines = linesOf(await readFile(file, 'utf8'));
    expect(lines).toHaveLength(3);
    expect(lines.every(({ kind }) => kind === 'session.login')).toBe(true);
    expect(stdout).toBe(`3 events in ${file}\n`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(folder.path)).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('keeps to the period, and is itself an event', async () => {
    expect((await run('--to', '2020-01-01')).stdout).toBe('');
    expect((await run('--from', '2020-01-01T00:00:00+02:00', '--kind', 'session.*')).code).toBe(0);
    const lines = linesOf((await run('--kind', 'audit.export')).stdout);
    const details = lines.map((line) => line.details);
    expect(details).toContainEqual({ to: '2020-01-01T00:00:00.000Z', count: '0' });
    expect(details).toMatchObject([
      { count: expect.stringMatching(/^\d+$/) as string },
      { kinds: 'session.* role.upsert', count: '3' },
      { to: '2020-01-01T00:00:00.000Z', count: '0' },
      { from: '2019-12-31T22:00:00.000Z', kinds: 'session.*', count: '3' },
    ]);
    expect(lines.every(({ actor, outcome }) => actor === undefined && outcome === 'success')).toBe(true);
  });

  it('says in one line that the file cannot be written, and leaves none behind', async () => {
    const missing = join(folder.path, 'no', 'such', 'folder', 'events');
    const { code, stderr } = await run('--output', missing);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^latchkey: ENOENT[^\n]*\n$/);
    const isFolder = await run('--output', folder.path);
    expect(isFolder.code).toBe(1);
    expect(isFolder.stderr.trim().split('\n')).toHaveLength(1);
    expect((await readdir(join(folder.path, '..'))).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
}

describe('latchkey audit export, embedded', () => {
  suite(async () => ({ variables: {}, close: async () => undefined }));
});

describeWithPostgres('latchkey audit export on Postgres', () => {
  suite(async () => {
    const database = await createTestDatabase();
    return {
      variables: {
        LATCHKEY_DATABASE_URL: database.url,
        LATCHKEY_MASTER_KEY: randomBytes(32).toString('base64'),
      },
      close: () => database.drop(),
    };
  });
});

it.each([
  ['a day that is none', ['--from', '2026-02-30'], '--from: must be a time like'],
  ['a time without a zone', ['--to', '2026-11-21T08:00:00'], '--to: must be a time like'],
  ['a word', ['--from', 'yesterday'], '--from: must be a time like'],
  ['an end before the beginning', ['--from', '2026-02-02', '--to', '2026-02-01'], '--from: must be before'],
  ['a beginning in the future', ['--from', '9999-01-01'], '--from: must be before'],
  ['a kind that is none', ['--kind', 'session'], '--kind: must be a kind'],
  ['21 kinds', ['--kind', ...Array.from({ length: 21 }, () => 'a.b')], '--kind: at most 20'],
])('latchkey audit export refuses %s in one line', async (_what, args, begin) => {
  const { path, remove } = await temporaryFolder();
  const child = runLatchkey(path, ['audit', 'export', ...args]);
  const code = await child.exit;
  // It has not even opened the database.
  expect(await readdir(path)).toEqual([]);
  await remove();
  const [stdout, stderr] = [child.stdout(), child.stderr()];
  expect([code, stdout]).toEqual([78, '']);
  expect(stderr).toMatch(/^[^\n]+\n$/);
  expect(stderr).toContain(`latchkey: ${begin}`);
});
