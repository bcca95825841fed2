// The data directory of the embedded mode: one process at a time, its master key, its bootstrap file.

import { constants, existsSync } from 'node:fs';
import { access, chmod, mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError } from './config.ts';
import { MASTER_KEY_LENGTH } from './crypto/keys/master-key.ts';
import { randomBytes } from './crypto/ids.ts';
import type { BootstrapSecrets } from './domain/instance/bootstrap.ts';
import type { DirectoryLock } from './storage/directory-lock.ts';
import { DirectoryInUseError, lockDirectory } from './storage/directory-lock.ts';

/** An open data directory, locked by this process until `release`. */
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

/**
 * Creates the directory when it is missing and locks it. Errors: ConfigError when it is a file; Error with one line that says what to do, when another process has locked it or it
 * cannot be written or locked.
 */
export async function openDataDir(path: string): Promise<DataDir> {
  await makeWritable(path);
  const lock = takeLock(path);
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
      lock.release();
    },
  };
}

async function makeWritable(path: string): Promise<void> {
  try {
    await makeFolder(path);
    await access(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw new ConfigError(`LATCHKEY_DATA_DIR: ${path} is a file, or below one; it must be a directory`, {
        cause: error,
      });
    if (code === 'ENOENT')
      throw new ConfigError(`LATCHKEY_DATA_DIR: no folder can be made at ${path}`, { cause: error });
    throw error;
  }
}

// Node's own recursive mkdir never ends where a file system answers ENOENT below a folder that is there, as /proc does.
async function makeFolder(path: string): Promise<void> {
  if (existsSync(path)) {
    if ((await stat(path)).isDirectory()) return;
    throw Object.assign(new Error(`${path} is a file`), { code: 'ENOTDIR' });
  }
  const parent = dirname(path);
  if (parent !== path) await makeFolder(parent);
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    // Another process made it meanwhile.
    if (codeOf(error) !== 'EEXIST') throw error;
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function takeLock(path: string): DirectoryLock {
  try {
    return lockDirectory(path);
  } catch (error) {
    if (error instanceof DirectoryInUseError)
      throw new Error(`LATCHKEY_DATA_DIR: ${path} is in use by ${error.holder}; stop it first`, {
        cause: error,
      });
    throw new Error(
      `LATCHKEY_DATA_DIR: cannot lock ${path}: ${describe(error)}; the user must be able to write latchkey.lock in it, and the file system must have locks (NFS: with its lock service)`,
      { cause: error },
    );
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
