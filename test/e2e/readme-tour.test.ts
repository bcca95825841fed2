// Runs the tour of the README and the walks as printed, one after the other, and compares what they print.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runLatchkey, temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import type { Ports } from '../support/printed-steps.ts';
import { linkRepository, outputsOf, ROOT, settled, stepsOf } from '../support/printed-steps.ts';
import { freePort } from '../support/private-server.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let child: ReturnType<typeof runLatchkey>;
let ports: Ports;

beforeEach(async () => {
  folder = await temporaryFolder();
  ports = { grpc: await freePort(), http: await freePort() };
  // The tour is run where the repository would be: its tools and its data directory are at hand.
  linkRepository(folder.path, ['node_modules', 'package.json']);
  child = runLatchkey(folder.path, ['serve'], {
    LATCHKEY_DATA_DIR: join(folder.path, '.latchkey'),
    LATCHKEY_GRPC_ADDRESS: `127.0.0.1:${ports.grpc}`,
    LATCHKEY_HTTP_ADDRESS: `127.0.0.1:${ports.http}`,
  });
  await eventually(() => child.stdout().includes('"msg":"ready"'), { timeoutMs: 180_000 });
});
afterEach(async () => {
  child.signal('SIGTERM');
  await child.exit;
  await folder.remove();
});

it(
  'the tour, the walk through an account and that of an operator print what they say, one after the other in one data directory',
  { timeout: 600_000 },
  async () => {
    for (const [document, chapter] of [
      ['README.md', 'Five-minute tour'],
      ['docs/accounts-walk.md', 'Register, verify, second factor, API keys, recovery, deletion'],
      ['docs/operators-walk.md', 'While the service runs'],
    ] as const) {
      const steps = stepsOf(document, chapter);
      expect(steps.length).toBeGreaterThan(5);
      const outputs = await outputsOf(steps, folder.path, ports, { timeoutMs: 240_000 });
      expect(outputs.map(settled)).toEqual(steps.map(({ output }) => settled(output)));
    }
  },
);

it('git ignores every file that they write', () => {
  const documents = ['README.md', 'docs/accounts-walk.md', 'docs/operators-walk.md'];
  const texts = documents.map((document) => readFileSync(join(ROOT, document), 'utf8'));
  const written = texts.flatMap((text) => [...text.matchAll(/(?:[^-=]> |tee )([a-z]+\.[a-z]+)/g)]);
  const files = [...new Set(written.map(([, file]) => file ?? ''))].toSorted();
  expect(files.length).toBeGreaterThan(8);
  const { stdout } = spawnSync('git', ['check-ignore', ...files], { cwd: ROOT, encoding: 'utf8' });
  expect(stdout.trim().split('\n').toSorted()).toEqual(files);
});
