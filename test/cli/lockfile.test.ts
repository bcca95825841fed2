// Holds package-lock.json to `npm run lock`: npm warns of each `engines` in it that the Node running npm is too old for, and latchkey brings its own Node.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { z } from 'zod';

const Lockfile = z.object({ packages: z.record(z.string(), z.object({ engines: z.unknown().optional() })) });

it('holds no engines: after a change of dependencies, npm run lock', () => {
  const text = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8');
  const { packages } = Lockfile.parse(JSON.parse(text));
  const entries = Object.entries(packages);
  expect(entries.length).toBeGreaterThan(100);
  expect(entries.filter(([, { engines }]) => engines !== undefined).map(([path]) => path)).toEqual([]);
});
