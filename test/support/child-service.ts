// Runs the real command line as a process of its own, in a folder of its own.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { openDataDir } from '../../src/data-dir.ts';
import { eventually } from './eventually.ts';
import { copyTemplate } from './warm-starts.ts';

/** A process of latchkey. */
export type Child = {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Resolves to the exit code when it has ended; null when a signal ended it. */
  readonly exit: Promise<number | null>;
  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): void;
};

/** A process that serves. */
export type ServingChild = Child & { readonly grpcAddress: string; readonly httpUrl: string };

const ROOT = resolve(import.meta.dirname, '../..');
const START_MS = 60_000;

// Cheap on purpose: nothing here tests how strong the hash is.
const FAST = {
  LATCHKEY_GRPC_ADDRESS: '127.0.0.1:0',
  LATCHKEY_HTTP_ADDRESS: '127.0.0.1:0',
  LATCHKEY_ARGON2_MEMORY_KIB: '1024',
  LATCHKEY_ARGON2_PASSES: '1',
  LATCHKEY_ARGON2_LANES: '1',
  LATCHKEY_BREACH_CHECK_URL: 'off',
  LATCHKEY_SHUTDOWN_GRACE: '5s',
};

const Ready = z.object({ msg: z.literal('ready'), grpc: z.string(), http: z.string() });

/** A new folder, and what removes it. */
export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'latchkey-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Starts `latchkey <args>` in `folder`, with LATCHKEY_ variables and none of ours. */
export function runLatchkey(
  folder: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Child {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LATCHKEY_'));
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts'), ...args], {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), NODE_OPTIONS: '', ...FAST, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const { promise: exit, resolve: onExit } = Promise.withResolvers<number | null>();
  child.on('close', (code) => onExit(code));
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    exit,
    signal: (name) => void child.kill(name),
  };
}

/**
 * Starts `latchkey serve` and waits until it says that it is ready; an embedded one on a folder without a database finds one with the schema.
 * Errors: when it ends before.
 */
export async function serveChild(
  folder: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<ServingChild> {
  if (variables['LATCHKEY_DATABASE_URL'] === undefined)
    await spareInitialising(variables['LATCHKEY_DATA_DIR'] ?? join(folder, '.latchkey'));
  const child = runLatchkey(folder, ['serve'], variables);
  let hasEnded = false;
  void child.exit.then(() => {
    hasEnded = true;
  });
  const ready = await eventually(() => (hasEnded ? { failed: child.stderr() } : readyLine(child.stdout())), {
    timeoutMs: START_MS,
    message: () => `not ready: ${child.stdout()}${child.stderr()}`,
  });
  if ('failed' in ready) throw new Error(`latchkey serve ended: ${ready.failed}`);
  return { ...child, grpcAddress: ready.grpc, httpUrl: ready.http };
}

async function spareInitialising(path: string): Promise<void> {
  if (existsSync(join(path, 'postgres'))) return;
  const dataDir = await openDataDir(path);
  await dataDir.masterKeys();
  await copyTemplate(dataDir.databaseDir);
  await dataDir.release();
}

/** Ends it, by force when it does not end by itself. */
export async function endChild(child: Child | undefined): Promise<void> {
  if (child === undefined) return;
  child.signal('SIGKILL');
  await child.exit;
}

function readyLine(stdout: string) {
  for (const line of stdout.split('\n')) {
    if (!line.includes('"ready"')) continue;
    const parsed = Ready.safeParse(JSON.parse(line));
    if (parsed.success) return parsed.data;
  }
  return undefined;
}
