// docs/configuration.md lists every limit with its default.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { limitForm, limitVariable } from '../../src/config/limits.ts';
import { LIMIT_TABLE, rulesOf } from '../../src/domain/limits/limit-table.ts';
import { ROOT } from '../support/printed-steps.ts';

it('is what the table holds', () => {
  const text = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8');
  const rows = text.matchAll(/^\| LATCHKEY_(?<name>LIMIT_\w+) \| (?<value>\S+) \|/gm);
  const told = [...rows].map(({ groups }) => [groups?.['name'], limitForm.parse(groups?.['value'])]);
  const held = rulesOf(LIMIT_TABLE).map(({ limitClass, subject, rule }) => [
    limitVariable(limitClass, subject),
    rule,
  ]);
  expect(told).toEqual(held);
});
