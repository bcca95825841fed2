// Runs the tour of the README and the walk through an account as printed, and compares what they print.

import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runLatchkey, temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import type { Ports } from '../support/printed-steps.ts';
import { linkRepository, outputsOf, settled, stepsOf } from '../support/printed-steps.ts';
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
  await eventually(() => child.stdout().includes('"msg":"ready"'), { timeoutMs: 60_000 });
});
afterEach(async () => {
  child.signal('SIGTERM');
  await child.exit;
  await folder.remove();
});

it.each([
  ['README.md', 'Five-minute tour'],
  ['docs/accounts-walk.md', "A person's life"],
])('%s, %s: prints what the document says', async (document, chapter) => {
  const steps = stepsOf(document, chapter);
  expect(steps.length).toBeGreaterThan(5);
  const outputs = await outputsOf(steps, folder.path, ports, { timeoutMs: 120_000 });
  expect(outputs.map(settled)).toEqual(steps.map(({ output }) => settled(output)));
});
