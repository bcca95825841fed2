// `npm start` passes signals on: the service drains and ends with 0, and nothing is left running.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { endChild, serveChild, temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const ends: Array<() => unknown> = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

it.each(['SIGTERM', 'SIGINT'] as const)(
  'on %s',
  async (signal) => {
    const { path, remove } = await temporaryFolder();
    const npm = spawn('npm', ['start'], {
      cwd: ROOT,
      env: {
        ...process.env,
        LATCHKEY_DATA_DIR: path,
        LATCHKEY_GRPC_ADDRESS: '127.0.0.1:0',
        LATCHKEY_HTTP_ADDRESS: '127.0.0.1:0',
        LATCHKEY_BREACH_CHECK_URL: 'off',
      },
      stdio: ['ignore', 'pipe', 'ignore'],
      // A group of its own, so that whatever is left can be ended.
      detached: true,
    });
    ends.push(remove, () => endGroup(npm.pid ?? 0));
    const exit = once(npm, 'exit');
    let output = '';
    npm.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    await eventually(() => output.includes('"ready"'), { timeoutMs: 60_000 });
    npm.kill(signal);
    expect(await exit).toEqual([0, null]);
    // Whoever is left holds the folder.
    const next = await serveChild(path, { LATCHKEY_DATA_DIR: path });
    await endChild(next);
  },
  120_000,
);

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
