// `npm run bench [-- --json] [-- name …]`: measures ratios in one run, and prints them. Benchmarks are not tests: nothing here fails.

import { benchAudit } from './sessions/audit.ts';
import { benchCleanup } from './cleanup.ts';
import { benchDirectory } from './directory.ts';
import { benchEnumeration } from './enumeration.ts';
import { benchFlood } from './flood.ts';
import { benchImport } from './import.ts';
import { benchLogin } from './sessions/login.ts';
import { benchLoginTransactions } from './sessions/login-transactions.ts';
import { benchScale } from './scale.ts';
import { benchRevocations } from './revocations.ts';
import { benchWorkingSet } from './working-set.ts';
import { benchSessions } from './sessions/many-sessions.ts';
import { benchRefresh } from './sessions/refresh.ts';
import { benchPeers } from './peers/peers.ts';
import type { Metric } from './report.ts';
import { print } from './report.ts';
import { benchStats } from './stats.ts';
import { benchSoak } from './soak.ts';
import { benchStart } from './start.ts';
import { benchConnect } from './calls/connect.ts';
import { benchValidate } from './calls/validate.ts';

const BENCHES: Readonly<Record<string, () => Promise<readonly Metric[]>>> = {
  validate: benchValidate,
  'working-set': benchWorkingSet,
  connect: benchConnect,
  login: benchLogin,
  'login-transactions': benchLoginTransactions,
  refresh: benchRefresh,
  revocations: benchRevocations,
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

/** Run only by name: they install packages. */
const BY_NAME: typeof BENCHES = { peers: benchPeers };

const asJson = process.argv.includes('--json');
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const all = { ...BENCHES, ...BY_NAME };
for (const name of named.length === 0 ? Object.keys(BENCHES) : named) {
  const bench = all[name];
  if (bench === undefined)
    throw new Error(`there is no benchmark ${name}; there are ${Object.keys(all).join(', ')}`);
  print(await bench(), asJson);
}
