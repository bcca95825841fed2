// Holds the data directory: one process has it, and its master key is never made anew over an old one.

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.ts';
import type { DataDir } from '../../src/data-dir.ts';
import { openDataDir } from '../../src/data-dir.ts';
import { temporaryFolder } from '../support/child-service.ts';

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

it('of many that find a lock which a killed process left, one gets the directory', async () => {
  await writeFile(join(folder.path, 'latchkey.pid'), '999999 1');
  const attempts = await Promise.allSettled(Array.from({ length: 8 }, open));
  const refused = attempts.filter((attempt) => attempt.status === 'rejected');
  expect(held).toHaveLength(1);
  for (const { reason } of refused) expect(reason).toBeInstanceOf(ConfigError);
});

it('is free again when it has been released', async () => {
  await (await open()).release();
  await expect(open()).resolves.toBeDefined();
});

it('a master key that cannot be read is told, not replaced', async () => {
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
