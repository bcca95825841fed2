// Holds the documentation of the audit log: each kind of event stands in its table, once, and no other does.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8');

it('docs/operations/audit.md has a line for each AuditKind', () => {
  const [type = ''] = /export type AuditKind =[^;]*;/.exec(read('src/domain/audit/audit-event.ts')) ?? [];
  const kinds = [...type.matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map(([, kind]) => kind ?? '');
  expect(kinds.length).toBeGreaterThan(40);
  const lines = read('docs/operations/audit.md').matchAll(/^\| `([a-z_]+\.[a-z_]+)` \| .+ \|$/gm);
  // In the same order too: the table reads like the type.
  expect([...lines].map(([, kind]) => kind)).toEqual(kinds);
});
