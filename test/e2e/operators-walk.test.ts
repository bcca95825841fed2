// Runs docs/operators-walk.md as printed, and compares what it prints.

import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Child } from '../support/child-service.ts';
import { runLatchkey, temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import { linkRepository, outputsOf, settled, stepsOf } from '../support/printed-steps.ts';
import { freePort } from '../support/private-server.ts';

const DOCUMENT = 'docs/operators-walk.md';
const CHAPTER_MS = 240_000;

it('prints what the document says', { timeout: 3 * CHAPTER_MS }, async () => {
  const folder = await temporaryFolder();
  const ports = { grpc: await freePort(), http: await freePort() };
  linkRepository(folder.path, ['node_modules', 'package.json', 'src', 'gen']);
  const variables = {
    LATCHKEY_DATA_DIR: join(folder.path, '.latchkey'),
    LATCHKEY_GRPC_ADDRESS: `127.0.0.1:${ports.grpc}`,
    LATCHKEY_HTTP_ADDRESS: `127.0.0.1:${ports.http}`,
  };
  const printsItself = async (chapter: string) => {
    const steps = stepsOf(DOCUMENT, chapter);
    expect(steps.length).toBeGreaterThan(0);
    const outputs = await outputsOf(steps, folder.path, ports, { timeoutMs: CHAPTER_MS });
    expect(outputs.map(walked)).toEqual(steps.map(({ output }) => walked(output)));
  };
  const whileItServes = async (chapter: string) => {
    const child = runLatchkey(folder.path, ['serve'], variables);
    try {
      await ready(child);
      await printsItself(chapter);
    } finally {
      child.signal('SIGTERM');
      await child.exit;
    }
  };
  try {
    await whileItServes('While the service runs');
    await printsItself('With the service stopped');
    await whileItServes('Starting the service again');
  } finally {
    await folder.remove();
  }
});

function ready(child: Child): Promise<unknown> {
  return eventually(() => child.stdout().includes('"msg":"ready"'), { timeoutMs: 120_000 });
}

/** Without the statistics of this machine. */
function walked(text: string): string {
  return settled(text).replace(/\d+\/s/g, '<rate>/s');
}
