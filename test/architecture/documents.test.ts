// The documents: every relative link leads somewhere, and the README stays short.

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../support/printed-steps.ts';

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...globSync('docs/**/*.md', { cwd: ROOT }),
];

/** The headings of a document as anchors, the way that hosts of git repositories make them. */
function anchorsOf(file: string): ReadonlySet<string> {
  const headings = readFileSync(file, 'utf8').matchAll(/^#{1,6} (?<title>.+)$/gm);
  return new Set(
    [...headings].map(({ groups }) =>
      (groups?.['title'] ?? '')
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The links of a document that lead nowhere. */
function brokenLinks(document: string): readonly string[] {
  const text = readFileSync(join(ROOT, document), 'utf8').replaceAll(/```.*?```/gs, '');
  const targets = [...text.matchAll(/\]\((?<target>[^)\s]+)\)/g)].map(
    ({ groups }) => groups?.['target'] ?? '',
  );
  return targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? join(ROOT, document) : join(ROOT, dirname(document), path);
    if (!existsSync(file)) return true;
    return anchor !== undefined && !anchorsOf(file).has(anchor);
  });
}

it.each(DOCUMENTS)('%s has no broken link', (document) => {
  expect(brokenLinks(document)).toEqual([]);
});

it('keeps the README under 200 lines', () => {
  expect(readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').length).toBeLessThanOrEqual(200);
});
