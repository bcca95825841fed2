// Starts a server under test as a process of its own, on a core of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { Cores } from './cores.ts';
import { pinned } from './cores.ts';

// What latchkey writes when it serves; the other servers write the same.
const Ready = z.object({
  msg: z.literal('ready'),
  grpc: z.string().default(''),
  http: z.string().default(''),
});

/** A server under test. */
export type Server = {
  readonly pid: number;
  /** Where it serves gRPC, as host:port, and HTTP, as a URL; empty for what it does not serve. */
  readonly grpc: string;
  readonly http: string;
  /** Ends it, by SIGTERM. */
  stop(): Promise<void>;
};

/** How to run it. */
export type ServerCommand = {
  readonly command: readonly string[];
  readonly cwd?: string;
  readonly variables?: Readonly<Record<string, string>>;
};

/** A command that runs Node; with BENCH_CPU_PROFILE, the folder of that name gets a profile of it when it ends. */
export function node(...args: readonly string[]): readonly string[] {
  const folder = process.env['BENCH_CPU_PROFILE'];
  return folder === undefined
    ? [process.execPath, ...args]
    : [process.execPath, '--cpu-prof', `--cpu-prof-dir=${folder}`, ...args];
}

/** Starts a server and waits until it writes a line of JSON with `"msg":"ready"`. Errors: it ends before, with what it wrote to stderr. */
export async function startServer(cores: Cores, server: ServerCommand): Promise<Server> {
  const [file = '', ...args] = pinned(cores, server.command);
  const child = spawn(file, args, {
    ...(server.cwd === undefined ? {} : { cwd: server.cwd }),
    env: { ...process.env, ...server.variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000);
  });
  const ended = once(child, 'exit');
  const ready = Promise.withResolvers<z.infer<typeof Ready>>();
  // Read to its end, so that the server never waits for its log to be read.
  createInterface(child.stdout).on('line', (line) => {
    const parsed = line.includes('"ready"') ? Ready.safeParse(JSON.parse(line)) : undefined;
    if (parsed?.success === true) ready.resolve(parsed.data);
  });
  const early = ended.then(() => Promise.reject(new Error(`${server.command.join(' ')} ended: ${errors}`)));
  const { grpc, http } = await Promise.race([ready.promise, early]);
  early.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    grpc,
    http,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
