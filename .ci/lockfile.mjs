// Takes `engines` out of package-lock.json: npm would warn of each that the Node which runs npm is too old for, while latchkey runs
// on the Node that it brings. Run by `npm run lock`.

import { readFileSync, writeFileSync } from 'node:fs';

const FILE = new URL('../package-lock.json', import.meta.url);
const lockfile = JSON.parse(readFileSync(FILE, 'utf8'));
for (const entry of Object.values(lockfile.packages)) delete entry.engines;
writeFileSync(FILE, `${JSON.stringify(lockfile, null, 2)}\n`);
