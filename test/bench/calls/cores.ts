// Which core each process of a benchmark runs on: the server has one to itself, the load and the databases run on another.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** `server` is the core of the server under test; undefined where processes cannot be pinned, with the reason. */
export type Cores = { readonly server: number; readonly others: number } | { readonly unpinned: string };

/** The cores that this process may use, as Linux lists them (`0-3,6`, proc(5)). */
function allowedCores(): readonly number[] {
  const status = readFileSync('/proc/self/status', 'utf8');
  const list = /Cpus_allowed_list:\s+(\S+)/.exec(status)?.[1] ?? '';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  });
}

function findCores(): Cores {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
  } catch {
    return { unpinned: 'not pinned: no taskset' };
  }
  const [server, others] = allowedCores();
  if (server === undefined || others === undefined) return { unpinned: 'not pinned: only one core' };
  return { server, others };
}

/**
 * Runs `work` with this process, and so what it starts, on one core, and gives it the other for servers (`pinned`). Where that cannot be, all
 * run where the system puts them, and stderr says so.
 */
export async function withCores<Result>(work: (cores: Cores) => Promise<Result>): Promise<Result> {
  const cores = findCores();
  if ('unpinned' in cores) {
    console.error(cores.unpinned);
    return work(cores);
  }
  console.error(`server on core ${cores.server}; load and databases on core ${cores.others}`);
  const before = allowedCores().join(',');
  moveSelf(String(cores.others));
  try {
    return await work(cores);
  } finally {
    moveSelf(before);
  }
}

function moveSelf(list: string): void {
  execFileSync('taskset', ['-a', '-c', '-p', list, String(process.pid)], { stdio: 'ignore' });
}

/** The command that runs `command` on the server's core. */
export function pinned(cores: Cores, command: readonly string[]): readonly string[] {
  return 'unpinned' in cores ? command : ['taskset', '-c', String(cores.server), ...command];
}
