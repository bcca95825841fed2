// `latchkey import` as a process of its own: the samples of the documentation, bad lines, and what a kill in the middle leaves.

import { randomBytes } from 'node:crypto';
import { cp, readFile, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { runLatchkey, serveChild, temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import { withClient } from '../support/private-postgres.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { createTestDatabase, describeWithPostgres, type TestDatabase } from '../support/services.ts';

const SAMPLES = resolve(import.meta.dirname, '../../docs/samples/import');
/** The password of every user in the samples. */
const PASSWORD = 'Sample-Import-42!';

/** Of PASSWORD, by passlib 1.7.4 (bcrypt) and Django 3.2.25 (argon2). */
const FASTAPI_HASH = '$2b$04$ZR6Tx2hVrTkvLvglFmbAkuKmLayZCK7L3FdTdCpr1apRQ73rJMY6m';
const DJANGO_HASH = 'argon2$argon2id$v=19$m=512,t=1,p=1$c2Vhc2FsdHNlYXNhbHQ$5VSK/eXM24f5MZQdWTuMZA';

/** Who is in each sample, by the part of their addresses before `@example.com`. */
const ORIGINS: ReadonlyArray<{
  readonly system: string;
  readonly options?: readonly string[];
  readonly loggingIn: readonly string[];
  readonly suspended: readonly string[];
  readonly withoutPassword: readonly string[];
}> = [
  {
    system: 'latchkey',
    loggingIn: ['ines.moreau', 'tom.okafor', 'yuki@example.org', 'lars.berg', 'django.fan'],
    suspended: ['gone'],
    withoutPassword: ['no.password'],
  },
  {
    system: 'keycloak',
    loggingIn: ['maria.silva', 'bo.andersen', 'carla.neri', 'chen.wei'],
    suspended: ['rita.costa'],
    withoutPassword: ['hans.huber'],
  },
  {
    system: 'auth0',
    loggingIn: ['nadia.haddad', 'peter.novak', 'amara.diallo', 'jon.snorri', 'leila.karimi'],
    suspended: ['max.blocked'],
    withoutPassword: ['social.only'],
  },
  {
    system: 'firebase',
    options: ['--firebase-hash-config', 'firebase-hash-config.txt'],
    loggingIn: ['grace.mutua', 'felix.braun', 'sofia.rossi'],
    suspended: ['disabled.person'],
    withoutPassword: ['google.only'],
  },
  {
    system: 'supabase',
    loggingIn: ['elena.ruiz', 'kofi.mensah', 'unconfirmed'],
    suspended: ['banned'],
    withoutPassword: ['magic.link'],
  },
];

const Refused = z.strictObject({
  line: z.number(),
  external_id: z.string(),
  reason: z.string(),
  violations: z.array(z.strictObject({ field: z.string(), description: z.string() })),
});

const Pair = z.strictObject({ external_id: z.string(), user_id: z.uuid() });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await cp(SAMPLES, folder.path, { recursive: true });
});
afterAll(() => folder.remove());

const inFolder = (name: string) => join(folder.path, name);

async function exists(name: string): Promise<boolean> {
  return stat(inFolder(name)).then(
    () => true,
    () => false,
  );
}

async function refusalsOf(name: string) {
  const text = await readFile(inFolder(name), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => Refused.parse(JSON.parse(line)));
}

async function runImport(args: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const child = runLatchkey(folder.path, ['import', ...args], variables);
  const code = await child.exit;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}

function withoutPrefix(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name.replace('LATCHKEY_', ''), value]),
  );
}

function user(number: number, change: Readonly<Record<string, unknown>> = {}) {
  return JSON.stringify({ externalId: `e2e-${number}`, email: `e2e-${number}@example.com`, ...change });
}

describe('embedded', () => {
  const run = (...args: string[]) => runImport(args);

  it('needs the service to be stopped', async () => {
    const service = await serveChild(folder.path);
    try {
      await writeFile(inFolder('one.ndjson'), user(0));
      const { code, stderr } = await run('one.ndjson');
      expect(code).toBe(1);
      expect(stderr).toMatch(/^latchkey: .*in use by process \d+ on host .+; stop it first\n$/);
    } finally {
      service.signal('SIGTERM');
      await service.exit;
    }
  });

  it('names each bad line and goes on with the rest', async () => {
    const lines: Buffer[] = [
      Buffer.from(`\uFEFF${user(1)}\r\n`),
      Buffer.from('\n  \r\n'),
      Buffer.from('not json\n'),
      Buffer.from('[1]\n'),
      Buffer.from(`${user(2, { emailVerified: 'yes' })}\n`),
      Buffer.from(`${user(3, { emialVerified: true })}\n`),
      Buffer.concat([Buffer.from('{"externalId":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n')]),
      Buffer.from(`{"externalId":"a\u0000b","email":"nul@example.com"}\n`),
      Buffer.from(`{"externalId":"${'x'.repeat(10_000_000)}"}\n`),
      Buffer.from(`${user(4, { email: 'no address', passwordHash: 'hunter2' })}\n`),
      Buffer.from(`${user(5, { createTime: 'yesterday' })}\n`),
      Buffer.from(`${user(6)}\n`),
      Buffer.from(user(7).slice(0, -10)),
    ];
    await writeFile(inFolder('bad.ndjson'), Buffer.concat(lines));
    const { code, stdout } = await run('bad.ndjson', '--batch', '3');
    expect({ code, stdout }).toEqual({
      code: 2,
      stdout: '2 created, 0 unchanged, 10 refused\nThe refused lines and why: bad.ndjson.errors.ndjson\n',
    });
    const refused = await refusalsOf('bad.ndjson.errors.ndjson');
    expect(
      refused.map(({ line, violations }) => `${line} ${violations.map(({ field }) => field).join(' ')}`),
    ).toEqual([
      '4 ',
      '5 ',
      '6 emailVerified',
      '7 emialVerified',
      '8 ',
      '9 ',
      '10 ',
      '11 email password_hash',
      '12 create_time',
      '14 ',
    ]);
    await writeFile(inFolder('last.ndjson'), user(8));
    expect(await run('last.ndjson')).toMatchObject({
      code: 0,
      stdout: '1 created, 0 unchanged, 0 refused\n',
    });
  });
});

describe('ids and files', () => {
  const run = (...args: string[]) => runImport(args);
  const mapOf = async (name: string) => (await readFile(inFolder(name), 'utf8')).trim().split('\n');

  it('takes whole numbers as ids, and writes a map of old and new ids, the same in a rerun', async () => {
    const lines = [
      '{"externalId":41,"email":"map-41@example.com"}',
      '{"externalId":"map-b","email":"map-b@example.com"}',
      '{"externalId":"map-c","email":"no address"}',
    ];
    await writeFile(inFolder('ids.ndjson'), lines.join('\n'));
    expect(await run('ids.ndjson', '--map', 'ids.map.ndjson')).toMatchObject({
      code: 2,
      stdout: expect.stringContaining('The map of old and new ids: ids.map.ndjson\n') as string,
    });
    const map = await mapOf('ids.map.ndjson');
    const pairs = map.map((line) => Pair.parse(JSON.parse(line)));
    expect(pairs.map(({ external_id: id }) => id)).toEqual(['41', 'map-b']);
    expect(new Set(pairs.map(({ user_id: id }) => id)).size).toBe(2);
    expect(await run('ids.ndjson', '--map', 'again.map.ndjson')).toMatchObject({ code: 2 });
    expect(await mapOf('again.map.ndjson')).toEqual(map);
    // A dry run knows the ids of those who are here.
    await writeFile(
      inFolder('more.ndjson'),
      `${lines[0]}\n{"externalId":"map-d","email":"map-d@example.com"}`,
    );
    await run('more.ndjson', '--dry-run', '--map', 'dry.map.ndjson');
    expect(await mapOf('dry.map.ndjson')).toEqual([map[0]]);
  });

  it('writes no map over its input or its report', async () => {
    await writeFile(inFolder('kept.ndjson'), user(20));
    for (const args of [
      ['--map', 'kept.ndjson'],
      ['--map', './kept.ndjson.errors.ndjson'],
      ['--errors', 'kept.ndjson'],
    ]) {
      const { code, stderr } = await run('kept.ndjson', ...args);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringContaining('another file') as string,
      });
    }
    expect(await readFile(inFolder('kept.ndjson'), 'utf8')).toBe(user(20));
  });

  it('refuses an array whole, and says what is expected', async () => {
    await writeFile(inFolder('array.json'), `[\n${user(21)},\n${user(22)}\n]\n`);
    const { code, stdout, stderr } = await run('array.json');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/array\.json: is a JSON array.*NDJSON/),
    ]);
    await writeFile(inFolder('array.ndjson'), user(22));
    expect(await run('array.ndjson')).toMatchObject({ stdout: '1 created, 0 unchanged, 0 refused\n' });
  });
});

describeWithPostgres('on Postgres', () => {
  const COUNT = 6_000;
  let database: TestDatabase;
  let service: TestService;
  let variables: Record<string, string>;
  beforeAll(async () => {
    database = await createTestDatabase();
    variables = {
      LATCHKEY_DATABASE_URL: database.url,
      LATCHKEY_MASTER_KEY: randomBytes(32).toString('base64'),
    };
    service = await startTestService({ variables: withoutPrefix(variables) });
  });
  afterAll(async () => {
    await service.stop();
    await database.drop();
  });

  const run = (...args: string[]) => runImport(args, variables);

  it.each(ORIGINS)('takes the sample of $system, and its people log in as before', async (origin) => {
    const { system, options = [], loggingIn, suspended, withoutPassword } = origin;
    const count = loggingIn.length + suspended.length + withoutPassword.length;
    const args = ['--from', system, ...options, `${system}.ndjson`];
    const silent = { code: 0, stderr: '' };
    expect(await run('--dry-run', ...args)).toEqual({
      ...silent,
      stdout: `${count} would be created, 0 unchanged, 0 refused\n`,
    });
    expect(await run(...args)).toEqual({ ...silent, stdout: `${count} created, 0 unchanged, 0 refused\n` });
    expect(await run(...args)).toEqual({ ...silent, stdout: `0 created, ${count} unchanged, 0 refused\n` });
    expect(await exists(`${system}.ndjson.errors.ndjson`)).toBe(false);
    expect(await exists(`${system}.ndjson.progress`)).toBe(false);
    const ending = (name: string) => {
      const identifier = name.includes('@') ? name : `${name}@example.com`;
      return service
        .auth()
        .login({ identifier, password: PASSWORD })
        .then(
          ({ outcome }) => `${name}: ${outcome.case ?? ''}`,
          (error: unknown) => `${name}: ${String(/\[(\w+)\]/.exec(String(error))?.[1])}`,
        );
    };
    for (const name of loggingIn) expect(await ending(name)).toBe(`${name}: tokens`);
    for (const name of suspended) expect(await ending(name)).toBe(`${name}: failed_precondition`);
    for (const name of withoutPassword) expect(await ending(name)).toBe(`${name}: unauthenticated`);
  });

  it.each([
    [
      'fastapi',
      `create table "user" (id serial primary key, email text, hashed_password text, is_active bool, is_verified bool, full_name text);
       insert into "user" (email, hashed_password, is_active, is_verified, full_name) values
         ('fast-1@example.com', '${FASTAPI_HASH}', true, true, 'Fast One'), ('fast-2@example.com', '${FASTAPI_HASH}', false, false, null),
         ('', '', true, false, null)`,
    ],
    [
      'django',
      `create table auth_user (id int generated by default as identity (start with 5001), username text, email text, first_name text, last_name text, password text, is_active bool,
         date_joined timestamptz, last_login timestamptz);
       insert into auth_user (username, email, first_name, last_name, password, is_active, date_joined, last_login) values
         ('fast.django', 'fast-1@example.net', 'Ada', '', '${DJANGO_HASH}', true, '2024-05-06 07:08:09.123456+02', null),
         ('blocked', 'fast-2@example.net', '', '', '!64gh5BuXvPcqqhuIihCbbdGqqL33aAJ0lDq7CMNq', false, now(), now()),
         ('nobody', '', '', '', '', true, now(), null)`,
    ],
  ])('takes what the SQL sample for %s selects', async (name, tables) => {
    const sample = await readFile(join(SAMPLES, `${name}.sql`), 'utf8');
    const rows = await withClient(database.url, async (client) => {
      await client.query(`create schema ${name}; set search_path to ${name}; ${tables}`);
      const found = await client.query<{ json_build_object: unknown }>(sample);
      return found.rows.map((row) => JSON.stringify(row.json_build_object));
    });
    await writeFile(inFolder(`${name}.ndjson`), rows.join('\n'));
    const domain = name === 'django' ? 'example.net' : 'example.com';
    const outcome = await run(`${name}.ndjson`);
    expect(outcome).toMatchObject({ code: 0, stdout: '2 created, 0 unchanged, 0 refused\n' });
    const login = (identifier: string) => service.auth().login({ identifier, password: PASSWORD });
    expect((await login(`fast-1@${domain}`)).outcome.case).toBe('tokens');
    expect((await login(`fast-1@${domain}`)).outcome.case).toBe('tokens');
    await expect(login(`fast-2@${domain}`)).rejects.toThrow(/suspended|wrong/);
  });

  it('takes a last line without an end, and shows progress where it is asked to', async () => {
    await writeFile(inFolder('last.ndjson'), user(8));
    const shown = await run('last.ndjson', '--progress', 'always');
    expect(shown).toMatchObject({ code: 0, stdout: '1 created, 0 unchanged, 0 refused\n' });
    expect(shown.stderr).toContain('100%  1 users');
    expect((await run('last.ndjson', '--no-progress')).stderr).toBe('');
  });

  it('says in one line what is wrong with the command', async () => {
    await writeFile(inFolder('wrong.ndjson'), user(9));
    for (const [said, ...args] of [
      ['there is no such file', 'missing.ndjson'],
      ['is a folder', '.'],
      ['--batch', 'wrong.ndjson', '--batch', '1001'],
      [
        'the Firebase hash parameters',
        'wrong.ndjson',
        '--from',
        'firebase',
        '--firebase-hash-config',
        'latchkey.ndjson',
      ],
      ['--from firebase alone', 'wrong.ndjson', '--firebase-hash-config', 'latchkey.ndjson'],
    ] as const) {
      const { code, stderr } = await run(...args);
      expect(code).toBe(1);
      expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(said)]);
    }
    expect((await run('wrong.ndjson', '--from', 'passport')).code).toBe(1);
  });

  const countImported = (prefix: string) =>
    withClient(database.url, async (client) => {
      const { rows } = await client.query<{ all: number; apart: number }>(
        `select count(*)::int as all, count(distinct external_id)::int as apart from users where external_id like $1`,
        [`${prefix}-%`],
      );
      return rows[0] ?? { all: 0, apart: 0 };
    });

  async function writeUsers(name: string, prefix: string): Promise<void> {
    const lines = Array.from({ length: COUNT }, (_, index) =>
      index % 1_000 === 999
        ? '{"externalId":"bad"}'
        : JSON.stringify({ externalId: `${prefix}-${index}`, email: `${prefix}-${index}@example.com` }),
    );
    await writeFile(inFolder(name), lines.join('\n'));
  }

  it.each(['SIGKILL', 'SIGINT'] as const)(
    'goes on after a %s: every account is imported once, every refusal is reported once',
    async (signal) => {
      const name = `${signal.toLowerCase()}.ndjson`;
      await writeUsers(name, signal);
      const args = ['import', name, '--batch', '10'];
      const first = runLatchkey(folder.path, args, variables);
      await eventually(async () => (await countImported(signal)).all >= 300, { timeoutMs: 60_000 });
      first.signal(signal);
      const code = await first.exit;
      const { all } = await countImported(signal);
      expect(all).toBeLessThan(COUNT - 6);
      if (signal === 'SIGINT') {
        expect(code).toBe(1);
        expect(first.stdout()).toContain('Run the same command again to go on');
      }
      expect(await exists(`${name}.progress`)).toBe(true);
      const second = runLatchkey(folder.path, ['import', name], variables);
      expect(await second.exit).toBe(2);
      expect(second.stderr()).toMatch(/going on behind line \d+/);
      expect(await countImported(signal)).toEqual({ all: COUNT - 6, apart: COUNT - 6 });
      const refused = await refusalsOf(`${name}.errors.ndjson`);
      expect(refused.map(({ line }) => line)).toEqual([1_000, 2_000, 3_000, 4_000, 5_000, 6_000]);
      expect(await exists(`${name}.progress`)).toBe(false);
    },
  );

  it('does not go on in another file of the same name, nor by a checkpoint that is broken', async () => {
    await writeUsers('other.ndjson', 'other');
    for (const checkpoint of [
      'garbage',
      '{"version":1}',
      JSON.stringify({
        version: 1,
        headLength: 100,
        headDigest: 'of another file',
        system: 'latchkey',
        line: 5_999,
        offset: 10,
        created: 1,
        unchanged: 0,
        refused: 0,
        errorsLength: 0,
      }),
    ]) {
      await writeFile(inFolder('other.ndjson.progress'), checkpoint);
      const child = runLatchkey(folder.path, ['import', 'other.ndjson'], variables);
      expect(await child.exit).toBe(2);
      expect(await countImported('other')).toEqual({ all: COUNT - 6, apart: COUNT - 6 });
    }
  });
});
