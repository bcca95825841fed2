// Starts the service as `npm start` does, in a process of its own, and reads from the system how much memory is resident.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };

const ROOT = resolve(import.meta.dirname, '../..');
const Ready = z.object({ msg: z.literal('ready'), grpc: z.string() });

/** A service that is ready. */
export type StartedService = {
  readonly grpc: string;
  /** From the start of the process until it was ready. */
  readonly seconds: number;
  /** MiB of VmRSS in proc(5); not a number where the system does not show it. */
  residentMb(): Promise<number>;
  stop(): Promise<void>;
};

/** Starts it with these LATCHKEY_ variables (without the prefix). Errors: when it ends before it is ready. */
export async function startAsUsersDo(variables: Readonly<Record<string, string>>): Promise<StartedService> {
  const own = { GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0', ...variables };
  const begin = performance.now();
  // The script replaces its shell by the service: the process id is the service's.
  const child = spawn('sh', ['-c', packageJson.scripts.start], {
    cwd: ROOT,
    env: {
      ...process.env,
      PATH: [join(ROOT, 'node_modules/.bin'), process.env['PATH']].join(delimiter),
      ...Object.fromEntries(Object.entries(own).map(([name, value]) => [`LATCHKEY_${name}`, value])),
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = createInterface(child.stdout);
  const { promise, resolve: onReady, reject } = Promise.withResolvers<string>();
  lines.on('line', (line) => {
    if (line.includes('"msg":"ready"')) onReady(Ready.parse(JSON.parse(line)).grpc);
  });
  child.once('exit', (code) => reject(new Error(`the service ended with ${code}`)));
  const grpc = await promise;
  return {
    grpc,
    seconds: (performance.now() - begin) / 1000,
    residentMb: () => residentMb(child.pid ?? 0),
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
