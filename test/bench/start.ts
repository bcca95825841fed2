// How long `npm start` takes to be ready, embedded: the first time, and on an existing data directory.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Metric } from './report.ts';
import { median } from './report.ts';

const RESTARTS = 5;
const ENTRY = join(import.meta.dirname, '../../src/main.ts');

type Start = { readonly seconds: number; readonly rssMb: number };

export async function benchStart(): Promise<Metric[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'latchkey-bench-'));
  try {
    const first = await startOnce(dataDir);
    const again: Start[] = [];
    for (let restart = 0; restart < RESTARTS; restart += 1) again.push(await startOnce(dataDir));
    return [
      { name: 'start-first', value: first.seconds, unit: 's', goal: '< 6' },
      { name: 'start-embedded', value: median(again.map((start) => start.seconds)), unit: 's', goal: '' },
      { name: 'idle-rss', value: median(again.map((start) => start.rssMb)), unit: 'MiB', goal: '' },
    ];
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function startOnce(dataDir: string): Promise<Start> {
  const begin = performance.now();
  const child = spawn(process.execPath, [ENTRY, 'serve'], {
    env: {
      ...process.env,
      LATCHKEY_DATA_DIR: dataDir,
      LATCHKEY_GRPC_ADDRESS: '127.0.0.1:0',
      LATCHKEY_HTTP_ADDRESS: '127.0.0.1:0',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  for await (const line of createInterface(child.stdout)) if (line.includes('"msg":"ready"')) break;
  const seconds = (performance.now() - begin) / 1000;
  const rssMb = await residentMb(child.pid ?? 0);
  child.kill('SIGTERM');
  await once(child, 'exit');
  return { seconds, rssMb };
}

// VmRSS of proc(5); not a number where the system does not show it.
async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
