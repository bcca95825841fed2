// Runs the chapters of the README as printed, and compares what they print.

import { execFile } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runLatchkey, temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/private-server.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

type Step = { readonly commands: string; readonly output: string };

/** The commands of a chapter, each with the output printed under it. */
function stepsOf(chapter: string): Step[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const begin = readme.indexOf(`\n## ${chapter}\n`);
  const text = readme.slice(begin, readme.indexOf('\n## ', begin + 1));
  return [...text.matchAll(/```sh\n(?<commands>.*?)```\n```(?:text|json)\n(?<output>.*?)```/gs)].map(
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
    .replace(/lk(rt|ak|mf)_[\w-]{20,}/g, '<lk$1>')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, '<time>')
    .replace(/lkrt_\w{3}$/gm, 'lkrt_…')
    .replace(/secret=[A-Z2-7]{32}/g, 'secret=…')
    .replace(/"userAgent":"[^"]*"/g, '"userAgent":"…"')
    .trim();
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let child: ReturnType<typeof runLatchkey>;
let ports: { readonly grpc: number; readonly http: number };

beforeEach(async () => {
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
afterEach(async () => {
  child.signal('SIGTERM');
  await child.exit;
  await folder.remove();
});

it.each(['Five-minute tour', "A person's life"])('%s: prints what the README says', async (chapter) => {
  const steps = stepsOf(chapter);
  expect(steps.length).toBeGreaterThan(5);
  const mark = '@@end of step@@';
  const script = steps.map(({ commands }) => `${commands}\necho; echo '${mark}'\n`).join('');
  const local = script.replaceAll(':50051', `:${ports.grpc}`).replaceAll(':8080', `:${ports.http}`);
  const { stdout } = await run('bash', ['-c', local], { cwd: folder.path, timeout: 120_000 });
  const outputs = stdout.split(mark).slice(0, -1).map(settled);
  expect(outputs).toEqual(steps.map(({ output }) => settled(output)));
});
