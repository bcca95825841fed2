// Holds what a service loads when it starts: packages that only some calls or other commands need stay out of its memory until then.

import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../support/printed-steps.ts';

/** What `serve` loads by dynamic imports, before it is ready. */
const ENTRIES = [
  'src/main.ts',
  'src/cli/command-line.ts',
  'src/cli/serve.ts',
  'src/app.ts',
  'src/service.ts',
  'src/storage/postgres/server-database.ts',
  'src/storage/postgres/embedded-database.ts',
];

const LATER = ['@mikro-orm', 'nodemailer', 'bcrypt', 'qr', 'cli-progress', '@zxcvbn-ts'];

/** What is imported when the file is loaded; types are not. */
function loadedBy(file: string): string[] {
  const statements = readFileSync(file, 'utf8').matchAll(
    /^(?:import|export) (?!type\b)[^;]*?from '(?<specifier>[^']+)';/gm,
  );
  return [...statements].map(({ groups }) => groups?.['specifier'] ?? '');
}

function packagesLoadedBy(entries: readonly string[]): ReadonlySet<string> {
  const files = new Set(entries.map((entry) => join(ROOT, entry)));
  const packages = new Set<string>();
  // A set that grows while it is walked is walked to its end.
  for (const file of files)
    for (const specifier of loadedBy(file))
      if (specifier.startsWith('.')) files.add(resolve(dirname(file), specifier));
      else packages.add(specifier.split('/')[0] ?? '');
  return packages;
}

it('is what serving needs', () => {
  const packages = packagesLoadedBy(ENTRIES);
  expect(LATER.filter((name) => packages.has(name))).toEqual([]);
  expect([...packages]).toEqual(expect.arrayContaining(['kysely', 'pg', '@grpc', 'pino']));
});
