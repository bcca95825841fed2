// The data directory of the embedded mode: one process at a time, its master key, its bootstrap file.

import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from './config.ts';
import { MASTER_KEY_LENGTH } from './crypto/master-key.ts';
import { randomBytes } from './crypto/ids.ts';
import type { BootstrapSecrets } from './domain/instance/bootstrap.ts';

/** An open data directory, held by this process until `release`. */
export type DataDir = {
  readonly databaseDir: string;
  readonly mailDir: string;
  readonly bootstrapFile: string;
  /** The master key; made when there is none. */
  masterKey(): Promise<Buffer>;
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
  await takeLock(path, lockFile);
  const bootstrapFile = join(path, 'bootstrap.json');
  return {
    databaseDir: join(path, 'postgres'),
    mailDir: join(path, 'mail'),
    bootstrapFile,
    masterKey: () => readOrMakeMasterKey(join(path, 'master.key')),
    writeBootstrap: (secrets) => writePrivate(bootstrapFile, `${JSON.stringify(secrets, null, 2)}\n`),
    release: () => rm(lockFile, { force: true }),
  };
}

async function takeLock(path: string, lockFile: string): Promise<void> {
  const holder = await readFile(lockFile, 'utf8').catch(() => undefined);
  if (holder !== undefined && (await isAlive(holder))) {
    throw new ConfigError(`LATCHKEY_DATA_DIR: ${path} is in use by process ${holder.split(' ')[0] ?? ''}`);
  }
  if (holder !== undefined) await rm(lockFile, { force: true });
  try {
    // Exclusive: of two that found no live holder, one gets it.
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

async function readOrMakeMasterKey(file: string): Promise<Buffer> {
  const stored = await readFile(file, 'utf8').catch(() => undefined);
  if (stored === undefined) {
    const made = Buffer.from(randomBytes(MASTER_KEY_LENGTH));
    await writePrivate(file, `${made.toString('base64')}\n`);
    return made;
  }
  const key = Buffer.from(stored.trim(), 'base64');
  if (key.length !== MASTER_KEY_LENGTH)
    throw new ConfigError(`${file}: is not a master key (32 bytes in base64)`);
  return key;
}

async function writePrivate(file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  await chmod(file, 0o600);
}
