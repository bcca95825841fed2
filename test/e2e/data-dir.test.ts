// Holds the data directory: one process has it, and its master key is never made anew over an old one.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import type { DataDir } from '../../src/data-dir.ts';
import { openDataDir } from '../../src/data-dir.ts';
import { endChild, runLatchkey, serveChild, temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const held: DataDir[] = [];
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  for (const dataDir of held.splice(0)) await dataDir.release();
  await folder.remove();
});

async function open(): Promise<DataDir> {
  const dataDir = await openDataDir(folder.path);
  held.push(dataDir);
  return dataDir;
}

it('of many that find what a killed process left, one gets the directory', async () => {
  const killed = holdElsewhere([]);
  await killed.held;
  killed.kill();
  await killed.exit;
  const attempts = await Promise.allSettled(Array.from({ length: 8 }, open));
  const refused = attempts.filter((attempt) => attempt.status === 'rejected');
  expect(held).toHaveLength(1);
  for (const { reason } of refused)
    expect(String(reason)).toBe(
      `Error: LATCHKEY_DATA_DIR: ${folder.path} is in use by process ${process.pid} on host ${hostname()}; stop it first`,
    );
  expect((await readdir(folder.path)).toSorted()).toEqual(['latchkey.lock', 'latchkey.pid']);
});

// As containers that share a volume: neither sees the processes and the sockets of the other.
const NAMESPACES = [
  'unshare',
  '--user',
  '--map-root-user',
  '--pid',
  '--net',
  '--uts',
  '--mount-proc',
  '--fork',
  '--kill-child',
];
const hasNamespaces = spawnSync(NAMESPACES[0] ?? '', [...NAMESPACES.slice(1), 'true']).status === 0;

it.skipIf(!hasNamespaces)(
  'a process in other namespaces holds it, and leaves nothing behind when it is killed',
  async () => {
    const other = holdElsewhere(NAMESPACES);
    await other.held;
    await expect(open()).rejects.toThrow(
      /^LATCHKEY_DATA_DIR: .* is in use by process \d+ on host .+; stop it first$/,
    );
    other.kill();
    await other.exit;
    await expect(eventually(() => open().catch(() => undefined))).resolves.toBeDefined();
    const late = holdElsewhere(NAMESPACES);
    await expect(late.exit).resolves.toBe(1);
  },
);

/** Opens the directory in another process, started by `wrapper`. */
function holdElsewhere(wrapper: readonly string[]) {
  const program = `
    const { openDataDir } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/data-dir.ts'))});
    await openDataDir(${JSON.stringify(folder.path)});
    console.log('held');
    setInterval(() => undefined, 60_000);`;
  const command = [...wrapper, process.execPath, '--input-type=module', '--eval', program];
  const child = spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] });
  const { promise: exit, resolve } = Promise.withResolvers<number | null>();
  child.on('close', resolve);
  return { held: once(child.stdout, 'data'), kill: () => child.kill('SIGKILL'), exit };
}

it('a folder that cannot be written is reported, with what to do', async () => {
  await chmod(folder.path, 0o500);
  const { stderr, status } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, '../../src/main.ts'), 'migrate'],
    {
      cwd: '/',
      env: { ...process.env, LATCHKEY_DATA_DIR: folder.path },
      encoding: 'utf8',
      // Nobody in particular: the superuser may write anywhere.
      ...(process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}),
    },
  );
  expect(stderr).toBe(
    `latchkey: ${folder.path} cannot be written or read (EACCES); give the user who runs latchkey access to it, or set LATCHKEY_DATA_DIR to another folder\n`,
  );
  expect(status).toBe(1);
});

it('is free again when it has been released', async () => {
  await (await open()).release();
  await expect(open()).resolves.toBeDefined();
});

it('a master key that cannot be read is reported, not replaced', async () => {
  await mkdir(join(folder.path, 'master.key'));
  const dataDir = await open();
  await expect(dataDir.masterKeys()).rejects.toThrow('master.key: cannot be read');
});

it('a database without its master key gets no new one', async () => {
  await mkdir(join(folder.path, 'postgres'));
  const dataDir = await open();
  await expect(dataDir.masterKeys()).rejects.toThrow('master.key: is missing');
  expect(await readdir(folder.path)).not.toContain('master.key');
});

it('nodes on different ports have one issuer', () => {
  const issuers = ['127.0.0.1:1', '0.0.0.0:2'].map(
    (address) => readConfig({ LATCHKEY_HTTP_ADDRESS: address }).ISSUER,
  );
  expect(issuers).toEqual(['http://localhost:8080', 'http://localhost:8080']);
});

it('a second master key makes sense beside another first one', () => {
  const [key, other] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString('base64'));
  expect(() => readConfig({ LATCHKEY_MASTER_KEY_SECOND: key })).toThrow('makes sense only with');
  expect(() => readConfig({ LATCHKEY_MASTER_KEY: key, LATCHKEY_MASTER_KEY_SECOND: key })).toThrow(
    'is the same key',
  );
  expect(() => readConfig({ LATCHKEY_MASTER_KEY: key, LATCHKEY_MASTER_KEY_SECOND: 'AAAA' })).toThrow(
    'LATCHKEY_MASTER_KEY_SECOND: must be 32 bytes',
  );
  const config = readConfig({ LATCHKEY_MASTER_KEY: key, LATCHKEY_MASTER_KEY_SECOND: other });
  expect(config.MASTER_KEY_SECOND).toEqual(Buffer.alloc(32, 2));
});

it('a first start that is killed while it makes the database is begun anew by the next', async () => {
  const database = join(folder.path, 'postgres');
  const variables = { LATCHKEY_DATA_DIR: folder.path };
  const first = runLatchkey(folder.path, ['serve'], variables);
  await eventually(() => existsSync(join(database, 'base')), { timeoutMs: 60_000 });
  first.signal('SIGKILL');
  await first.exit;
  expect(await readdir(folder.path)).toContain('postgres.unfinished');
  const next = await serveChild(folder.path, variables);
  expect(await readdir(folder.path)).not.toContain('postgres.unfinished');
  expect(await readdir(folder.path)).toContain('bootstrap.json');
  await endChild(next);
}, 120_000);
