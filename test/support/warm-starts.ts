// Runs once before the test files, so that hundreds of services start from what is there: the folder of an embedded database, which takes over a
// second to make, and compiled code.

import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import type { Database } from '../../src/storage/postgres/connection.ts';
import { openDatabase } from '../../src/storage/postgres/connection.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the run's embedded databases. */
    embeddedDatabases: string;
  }
}

const TEMPLATE = 'template';

/** Provides the template to the test files and returns what removes it, and whatever copy was left behind. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-test-'));
  const database = await openDatabase({ dataDir: join(folder, TEMPLATE) });
  await database.migrate();
  await database.close();
  // Inherited by the processes of the test files, and by what they start.
  process.env['NODE_COMPILE_CACHE'] ??= resolve('node_modules/.cache/latchkey-tests');
  project.provide('embeddedDatabases', folder);
  return () => rm(folder, { recursive: true, force: true });
}

/** Makes `folder` that of an embedded database with the schema and nothing else. */
export async function copyTemplate(folder: string): Promise<void> {
  await cp(join(inject('embeddedDatabases'), TEMPLATE), folder, { recursive: true });
}

/** An embedded database of its own, with the schema; it is lost when closed. */
export async function openEmbedded(): Promise<Database> {
  const dataDir = join(inject('embeddedDatabases'), randomBytes(6).toString('hex'));
  await copyTemplate(dataDir);
  const database = await openDatabase({ dataDir });
  const close = async () => {
    await database.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { ...database, close };
}
