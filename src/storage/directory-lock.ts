// Locks a directory for one process by a lock of the operating system on a file in it.

import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** An acquired lock. The system releases it when this process ends, however it ends. */
export type DirectoryLock = { release(): void };

/** Another process has locked the directory. */
export class DirectoryInUseError extends Error {
  /** The process that has the lock, as far as it could be read; a process id counts inside the holder's container only. */
  readonly holder: string;

  constructor(holder: string) {
    super(`the directory is in use by ${holder}`);
    this.holder = holder;
  }
}

const LOCK_FILE = 'latchkey.lock';
const HOLDER_FILE = 'latchkey.pid';
// sqlite.org/rescode.html
const SQLITE_BUSY = 5;

/**
 * Takes the lock of an existing, writable directory. It is a POSIX record lock (fcntl(2)), taken through SQLite because Node has no call for one:
 * it belongs to the file and not to a process id or a socket name, so it also excludes processes in other containers that share the volume.
 * Errors: DirectoryInUseError; Error of SQLite where the file system has no locks or the file cannot be written.
 */
export function lockDirectory(path: string): DirectoryLock {
  const database = new DatabaseSync(join(path, LOCK_FILE));
  try {
    // Nothing is ever written; a journal on disk would stay behind a killed process.
    database.exec('pragma journal_mode = memory; begin exclusive');
  } catch (error) {
    database.close();
    if (isBusy(error)) throw new DirectoryInUseError(readHolder(path));
    throw error;
  }
  const holderFile = join(path, HOLDER_FILE);
  try {
    writeFileSync(holderFile, `process ${process.pid} on host ${hostname()}\n`, { mode: 0o600 });
  } catch (error) {
    database.close();
    throw error;
  }
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

function readHolder(path: string): string {
  try {
    return readFileSync(join(path, HOLDER_FILE), 'utf8').trim() || 'another process';
  } catch {
    return 'another process';
  }
}
