// The data directory of the embedded mode: one process at a time, its master key, its bootstrap file.

import { hash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { ConfigError } from './config.ts';
import { MASTER_KEY_LENGTH } from './crypto/master-key.ts';
import { randomBytes } from './crypto/ids.ts';
import type { BootstrapSecrets } from './domain/instance/bootstrap.ts';

/** An open data directory, held by this process until `release`. */
export type DataDir = {
  readonly databaseDir: string;
  readonly mailDir: string;
  readonly bootstrapFile: string;
  /** The master key, made when there is none, and the one that is taking its place. */
  masterKeys(): Promise<{ readonly current: Buffer; readonly next: Buffer | undefined }>;
  /** Makes the key that is to take the place of the master key, unless there is one already. */
  beginMasterKey(): Promise<void>;
  /** Puts the next key in the place of the master key, which is gone then. */
  adoptMasterKey(): Promise<void>;
  /** Writes bootstrap.json, mode 0600. */
  writeBootstrap(secrets: BootstrapSecrets): Promise<void>;
  release(): Promise<void>;
};

/** Creates the directory when it is missing and takes it. Errors: ConfigError when another process holds it or it cannot be written. */
export async function openDataDir(path: string): Promise<DataDir> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw new ConfigError(`LATCHKEY_DATA_DIR: cannot create ${path}`, { cause: error });
  });
  const lockFile = join(path, 'latchkey.pid');
  const name = await holdName(path, lockFile);
  await takeLock(path, lockFile).catch((error: unknown) => {
    name?.close();
    throw error;
  });
  const bootstrapFile = join(path, 'bootstrap.json');
  const databaseDir = join(path, 'postgres');
  const keyFile = join(path, 'master.key');
  const nextKeyFile = join(path, 'master.key.next');
  return {
    databaseDir,
    mailDir: join(path, 'mail'),
    bootstrapFile,
    async masterKeys() {
      const current = await readOrMakeMasterKey(keyFile, databaseDir);
      const next = existsSync(nextKeyFile) ? await readMasterKey(nextKeyFile) : undefined;
      return { current, next };
    },
    async beginMasterKey() {
      await readOrMakeMasterKey(keyFile, databaseDir);
      if (!existsSync(nextKeyFile)) await writeMasterKey(nextKeyFile);
    },
    async adoptMasterKey() {
      await rename(nextKeyFile, keyFile);
      await syncFolder(path);
    },
    writeBootstrap: (secrets) => writePrivate(bootstrapFile, `${JSON.stringify(secrets, null, 2)}\n`),
    async release() {
      await rm(lockFile, { force: true });
      name?.close();
    },
  };
}

/**
 * Holds a name that belongs to the directory and that the system takes back when this process ends, however it ends: of any number that ask
 * at once, one gets it. Only Linux has such names (unix(7), abstract sockets); elsewhere the lock file alone decides.
 */
async function holdName(path: string, lockFile: string): Promise<Server | undefined> {
  if (process.platform !== 'linux') return undefined;
  const server = createServer();
  server.unref();
  server.listen(`\0latchkey:${hash('sha256', await realpath(path))}`);
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    const holder = await readFile(lockFile, 'utf8').catch(() => '');
    throw inUse(path, holder, error);
  }
}

function inUse(path: string, holder: string, cause?: unknown): ConfigError {
  const [pid = ''] = holder.split(' ');
  return new ConfigError(`LATCHKEY_DATA_DIR: ${path} is in use by process ${pid}; stop it first`, { cause });
}

async function takeLock(path: string, lockFile: string): Promise<void> {
  const holder = await readFile(lockFile, 'utf8').catch(() => undefined);
  if (holder !== undefined && (await isAlive(holder))) {
    throw inUse(path, holder);
  }
  if (holder !== undefined) await rm(lockFile, { force: true });
  try {
    const file = await open(lockFile, 'wx', 0o600);
    await file.writeFile(`${process.pid} ${await startTimeOf(process.pid)}`);
    await file.close();
  } catch (error) {
    throw new ConfigError(`LATCHKEY_DATA_DIR: cannot take ${path}`, { cause: error });
  }
}

// A process id may have been given to another process since; its start time tells the two apart where the system shows it.
async function isAlive(holder: string): Promise<boolean> {
  const [pid = '', startTime = ''] = holder.split(' ');
  if (pid === '' || Number(pid) === process.pid) return false;
  try {
    process.kill(Number(pid), 0);
  } catch {
    return false;
  }
  return (await startTimeOf(Number(pid))) === startTime;
}

async function startTimeOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // Field 22 of proc(5), counted after the parenthesized name.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

async function readOrMakeMasterKey(file: string, databaseDir: string): Promise<Buffer> {
  return existsSync(file) ? readMasterKey(file) : makeMasterKey(file, databaseDir);
}

async function readMasterKey(file: string): Promise<Buffer> {
  const stored = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new ConfigError(`${file}: cannot be read`, { cause: error });
  });
  const key = Buffer.from(stored.trim(), 'base64');
  if (key.length !== MASTER_KEY_LENGTH)
    throw new ConfigError(`${file}: is not a master key (32 bytes in base64)`);
  return key;
}

// A database without its master key is not to be opened with a new one: what is sealed in it would be lost.
async function makeMasterKey(file: string, databaseDir: string): Promise<Buffer> {
  if (existsSync(databaseDir))
    throw new ConfigError(`${file}: is missing, and the database beside it was sealed with it; put it back`);
  return writeMasterKey(file);
}

// Whole or not at all, whenever the machine stops: what is sealed by a key must never outlive it.
async function writeMasterKey(file: string): Promise<Buffer> {
  const made = Buffer.from(randomBytes(MASTER_KEY_LENGTH));
  const unfinished = `${file}.unfinished`;
  await writePrivate(unfinished, `${made.toString('base64')}\n`);
  const written = await open(unfinished, 'r');
  await written.sync();
  await written.close();
  await rename(unfinished, file);
  await syncFolder(dirname(file));
  return made;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync();
  await folder.close();
}

async function writePrivate(file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  await chmod(file, 0o600);
}
