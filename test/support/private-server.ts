// What the private Postgres and the private Redis share: finding binaries, a port, a folder, and a process that ends.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomInt } from 'node:crypto';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { eventually } from './eventually.ts';

/** Folders of PATH, in order. */
export function pathFolders(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
}

/** The first of the folders that holds every one of the named programs. */
export function folderWith(folders: readonly string[], programs: readonly string[]): string | undefined {
  return folders.find((folder) => programs.every((program) => existsSync(join(folder, program))));
}

/**
 * A free port of 127.0.0.1, below the range from which the kernel takes the ports of outgoing connections: a client that
 * keeps reconnecting to a stopped server inside that range can end up connected to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(15_000, 32_000);
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port found on 127.0.0.1');
}

/**
 * A temporary folder with a guard: a tiny shell that waits for this process to go away, however it goes, then kills what the
 * folder's *.pid files name and removes the folder.
 */
export class GuardedFolder {
  readonly path: string;
  readonly #guard: ChildProcess;

  constructor(name: string) {
    this.path = mkdtempSync(join(tmpdir(), `latchkey-${name}-`));
    // End of file on its input is the signal: the kernel closes the pipe even after kill -9. QUIT first, for Postgres then
    // ends its own children and gives back its shared memory; KILL for what does not listen.
    const script = `trap '' INT TERM HUP
      cat >/dev/null
      for signal in CONT QUIT KILL; do
        for file in "$1"/*.pid; do [ -f "$file" ] && kill -s $signal "$(cat "$file")" 2>/dev/null; done
        [ $signal = QUIT ] && [ -n "$(ls "$1"/*.pid 2>/dev/null)" ] && sleep 1
      done
      rm -rf "$1"`;
    this.#guard = spawn('sh', ['-c', script, 'latchkey-guard', this.path], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#guard.unref();
    // A pipe is a socket underneath; it must not keep this process alive.
    if (this.#guard.stdin instanceof Socket) this.#guard.stdin.unref();
  }

  /** Removes the folder; the guard then has nothing left to do and ends. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
    this.#guard.stdin?.end();
  }
}

/** How a server is started. */
export interface ServerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** One server process with its own log; it can be started again after it ended. */
export class ServerProcess {
  readonly #name: string;
  readonly #folder: GuardedFolder;
  readonly #command: ServerCommand;
  #child: ChildProcess | undefined;
  #failure = '';

  constructor(name: string, folder: GuardedFolder, command: ServerCommand) {
    this.#name = name;
    this.#folder = folder;
    this.#command = command;
  }

  /** The process id while it runs. */
  get pid(): number | undefined {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null
      ? child.pid
      : undefined;
  }

  /** The end of what the server wrote. */
  log(): string {
    const file = join(this.#folder.path, `${this.#name}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8').slice(-2_000) : '';
  }

  /** Starts the process and waits until `ready` says yes; fails at once when the process ends instead. */
  async start(ready: (pid: number) => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    if (this.pid !== undefined) throw new Error(`${this.#name} is running already`);
    const { file, args, uid, gid } = this.#command;
    const log = openSync(join(this.#folder.path, `${this.#name}.log`), 'a');
    const child = spawn(file, args, {
      cwd: this.#folder.path,
      stdio: ['ignore', log, log],
      // A group of its own: Ctrl-C in the terminal must not end the server before the tests have cleaned up.
      detached: true,
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    closeSync(log);
    child.unref();
    this.#child = child;
    this.#failure = '';
    const pidFile = join(this.#folder.path, `${this.#name}.pid`);
    child.once('error', (error) => {
      this.#failure = error.message;
    });
    child.once('exit', () => {
      if (this.#child === child) rmSync(pidFile, { force: true });
    });
    if (child.pid !== undefined) writeFileSync(pidFile, String(child.pid));
    const started = await eventually(
      async () => {
        const { pid } = this;
        if (pid === undefined) return 'ended';
        return (await ready(pid)) ? 'ready' : false;
      },
      { timeoutMs, message: () => `${this.#name} did not become ready\n${this.log()}` },
    );
    if (started === 'ended') {
      throw new Error(`${this.#name} ended while starting: ${this.#failure}\n${this.log()}`);
    }
  }

  /** Sends a signal, if the process runs. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this;
    if (pid !== undefined) process.kill(pid, signal);
  }

  /** Ends the process with a signal and waits until it is gone; SIGKILL when it does not listen. */
  async end(signal: NodeJS.Signals, timeoutMs = 15_000): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.pid === undefined) return;
    const gone = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    // The process is unreferenced, so a timer keeps this process alive while it waits.
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.ref();
    child.kill(signal);
    await gone;
    clearTimeout(timer);
  }
}

/** Ids of the direct children of a process. */
export function childrenOf(pid: number): number[] {
  const parents = existsSync('/proc/self/stat') ? parentsFromProc() : parentsFromPs();
  return parents.filter(([, parent]) => parent === pid).map(([child]) => child);
}

function parentsFromProc(): [pid: number, parent: number][] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        // "pid (name) state ppid …", and the name may hold anything: read on from the last parenthesis.
        const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
        return [
          [Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])] as [number, number],
        ];
      } catch {
        return []; // it ended meanwhile
      }
    });
}

function parentsFromPs(): [pid: number, parent: number][] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([pid = 0, parent = 0]) => [pid, parent]);
}
