// Holds how the embedded database meets its folder: another version's files, an attempt that was cut off, a disk without room, a newer schema.

import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { openCurrentStorage } from '../../src/cli/current-storage.ts';
import { openDatabase } from '../../src/storage/postgres/connection.ts';
import { EMBEDDED_POSTGRES } from '../../src/storage/postgres/embedded-folder.ts';
import { copyTemplate } from '../support/warm-starts.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-data-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The version that the engine names, after the database was made from scratch. */
async function makeAndAsk(dataDir: string): Promise<string | undefined> {
  const database = await openDatabase({ dataDir });
  const { rows } = await sql<{ readonly server_version: string }>`show server_version`.execute(
    database.tables,
  );
  await database.close();
  return rows[0]?.server_version;
}

it('a folder that was left unfinished is made anew', async () => {
  const dataDir = join(folder, 'postgres');
  await mkdir(join(dataDir, 'base'), { recursive: true });
  await writeFile(join(dataDir, 'PG_VERSION'), `${EMBEDDED_POSTGRES}\n`);
  await writeFile(`${dataDir}.unfinished`, '');
  expect(await makeAndAsk(dataDir)).toMatch(new RegExp(`^${EMBEDDED_POSTGRES}\\b`));
  expect(await readdir(folder)).toEqual(['postgres']);
});

it("another version's folder is refused in one line, and left as it is", async () => {
  const dataDir = join(folder, 'postgres');
  await mkdir(dataDir);
  await writeFile(join(dataDir, 'PG_VERSION'), '17\n');
  await expect(openDatabase({ dataDir })).rejects.toThrow(
    /^LATCHKEY_DATA_DIR: .*postgres was written by Postgres 17, and this release embeds Postgres 18: .*run the latchkey release that wrote it, or name another folder$/,
  );
  expect(await readdir(dataDir)).toEqual(['PG_VERSION']);
});

const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0;

it.skipIf(!canMount)(
  'a full disk is reported in one line, and what was begun is marked for the next start',
  async () => {
    const program = join(import.meta.dirname, '../../src/main.ts');
    // In a mount namespace of its own, which ends with its processes.
    const script = `mount -t tmpfs -o size=8m tmpfs ${folder} && ${process.execPath} ${program} migrate; echo "code $?"; ls ${folder}`;
    const { stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script], {
      cwd: '/',
      env: { ...process.env, LATCHKEY_DATA_DIR: folder },
      encoding: 'utf8',
    });
    expect(stderr).toBe(
      `latchkey: LATCHKEY_DATA_DIR: the embedded database in ${folder}/postgres cannot be opened: no space left on the disk (ENOSPC)\n`,
    );
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining(['code 1', 'master.key', 'postgres.unfinished']),
    );
  },
  120_000,
);

describe('a schema that a newer release has migrated', () => {
  async function migratedBy(servesSince: string | undefined): Promise<void> {
    const dataDir = join(folder, 'postgres');
    await copyTemplate(dataDir);
    const database = await openDatabase({ dataDir });
    await sql`insert into schema_migrations (name) values ('2099-01-tomorrow')`.execute(database.tables);
    await sql`delete from instance_facts where name = 'schema_serves_since'`.execute(database.tables);
    if (servesSince !== undefined)
      await sql`insert into instance_facts (name, value) values ('schema_serves_since', ${servesSince})`.execute(
        database.tables,
      );
    await database.close();
  }
  const config = () =>
    readConfig({ LATCHKEY_DATA_DIR: folder, LATCHKEY_MASTER_KEY: Buffer.alloc(32, 1).toString('base64') });

  it.each([undefined, '2099-01-tomorrow'])(
    'is refused in one line where it serves programs since %s',
    async (since) => {
      await migratedBy(since);
      const attempt = () => openCurrentStorage(config());
      for (let times = 0; times < 2; times += 1)
        await expect(attempt()).rejects.toThrow(
          /^the schema is ahead of this release \(2099-01-tomorrow\): .*run that release, or restore/,
        );
    },
  );

  it('is served where it says that it serves this release, which does not claim it for itself', async () => {
    await migratedBy('2026-11-initial-schema');
    const storage = await openCurrentStorage(config());
    expect(await storage.database.schemaState()).toEqual({ unknown: ['2099-01-tomorrow'], isServable: true });
    await storage.database.close();
    await storage.dataDir?.release();
  });
});
