// `npm run bench [-- --json] [-- name …]`: measures ratios in one run, and prints them. Benchmarks are not tests: nothing here fails.

import { benchAudit } from './audit.ts';
import { benchCleanup } from './cleanup.ts';
import { benchDirectory } from './directory.ts';
import { benchEnumeration } from './enumeration.ts';
import { benchFlood } from './flood.ts';
import { benchImport } from './import.ts';
import { benchLogin } from './login.ts';
import { benchLoginTransactions } from './login-transactions.ts';
import { benchScale } from './scale.ts';
import { benchSessions } from './sessions.ts';
import { benchRefresh } from './refresh.ts';
import type { Figure } from './report.ts';
import { print } from './report.ts';
import { benchStats } from './stats.ts';
import { benchSoak } from './soak.ts';
import { benchStart } from './start.ts';
import { benchValidate } from './validate.ts';

const BENCHES: Readonly<Record<string, () => Promise<Figure[]>>> = {
  validate: benchValidate,
  login: benchLogin,
  'login-transactions': benchLoginTransactions,
  refresh: benchRefresh,
  start: benchStart,
  soak: benchSoak,
  enumeration: benchEnumeration,
  scale: benchScale,
  sessions: benchSessions,
  flood: benchFlood,
  stats: benchStats,
  cleanup: benchCleanup,
  audit: benchAudit,
  directory: benchDirectory,
  import: benchImport,
};

const asJson = process.argv.includes('--json');
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
for (const name of named.length === 0 ? Object.keys(BENCHES) : named) {
  const bench = BENCHES[name];
  if (bench === undefined)
    throw new Error(`there is no bench ${name}; there are ${Object.keys(BENCHES).join(', ')}`);
  print(await bench(), asJson);
}
