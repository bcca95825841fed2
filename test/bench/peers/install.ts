// Installs the packages of a peer into a temporary folder: they are no dependencies of ours.

import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

/** Installs exact versions (`name@1.2.3`) with npm and puts the program beside them. Resolves to the program's path there, and what removes it all. */
export async function installPeer(
  program: string,
  packages: readonly string[],
): Promise<{ readonly program: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-peer-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const flags = ['--no-audit', '--no-fund', '--ignore-scripts'];
    await promisify(execFile)('npm', ['install', '--prefix', folder, ...flags, ...packages]);
    const copy = join(folder, basename(program));
    await copyFile(program, copy);
    return { program: copy, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Debian's own, which has Debian's packages; another may come first in PATH. */
export const PYTHON = '/usr/bin/python3';

/** Whether it is there and has these modules. */
export async function hasPythonModules(modules: readonly string[]): Promise<boolean> {
  try {
    await promisify(execFile)(PYTHON, ['-c', `import ${modules.join(', ')}`]);
    return true;
  } catch {
    return false;
  }
}
