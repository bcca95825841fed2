// Runs the README's tour as printed, and compares what it prints.

import { execFile } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runLatchkey, temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/private-server.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

type Step = { readonly commands: string; readonly output: string };

/** The commands of the tour, each with the output printed under it. */
function tourSteps(): Step[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const tour = readme.slice(readme.indexOf('## Five-minute tour'), readme.indexOf('## What it promises'));
  return [...tour.matchAll(/```sh\n(?<commands>.*?)```\n```(?:text|json)\n(?<output>.*?)```/gs)].map(
    (match) => ({
      commands: match.groups?.['commands'] ?? '',
      output: match.groups?.['output'] ?? '',
    }),
  );
}

/** The text without what differs from run to run. */
function settled(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('npm warn'))
    .join('\n')
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, '<access token>')
    .replace(/lk(rt|ak)_[\w-]{20,}/g, '<lk$1>')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, '<time>')
    .replace(/lkrt_\w{3}$/gm, 'lkrt_…')
    .replace(/"userAgent":"[^"]*"/g, '"userAgent":"…"')
    .trim();
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let child: ReturnType<typeof runLatchkey>;
let ports: { readonly grpc: number; readonly http: number };

beforeAll(async () => {
  folder = await temporaryFolder();
  ports = { grpc: await freePort(), http: await freePort() };
  // The tour is run where the repository would be: its tools and its data directory are at hand.
  for (const name of ['node_modules', 'package.json']) symlinkSync(join(ROOT, name), join(folder.path, name));
  child = runLatchkey(folder.path, ['serve'], {
    LATCHKEY_DATA_DIR: join(folder.path, '.latchkey'),
    LATCHKEY_GRPC_ADDRESS: `127.0.0.1:${ports.grpc}`,
    LATCHKEY_HTTP_ADDRESS: `127.0.0.1:${ports.http}`,
  });
  await eventually(() => child.stdout().includes('"msg":"ready"'), { timeoutMs: 60_000 });
});
afterAll(async () => {
  child.signal('SIGTERM');
  await child.exit;
  await folder.remove();
});

it('the tour prints what the README says', async () => {
  const steps = tourSteps();
  expect(steps.length).toBeGreaterThan(5);
  const mark = '@@end of step@@';
  const script = steps.map(({ commands }) => `${commands}\necho; echo '${mark}'\n`).join('');
  const local = script.replaceAll(':50051', `:${ports.grpc}`).replaceAll(':8080', `:${ports.http}`);
  const { stdout } = await run('bash', ['-c', local], { cwd: folder.path, timeout: 120_000 });
  const outputs = stdout.split(mark).slice(0, -1).map(settled);
  expect(outputs).toEqual(steps.map(({ output }) => settled(output)));
});
