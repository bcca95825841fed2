// `latchkey cleanup`: deletes all rows past their retention at once, or counts them.

import { setTimeout as delay } from 'node:timers/promises';
import type { App } from '../app.ts';
import { closeApp } from '../app.ts';
import type { Config } from '../config.ts';
import type { CleanupCounts, CleanupKind } from '../domain/cleanup/cleanup-store.ts';
import { CLEANUP_KINDS } from '../domain/cleanup/cleanup-store.ts';
import { Cleanup, totalOf } from '../jobs/cleanup.ts';
import { openForCommand } from './open-for-command.ts';

export type CleanupOptions = {
  /** Changes nothing. */
  readonly dryRun: boolean;
};

const NAMES: Readonly<Record<CleanupKind, string>> = {
  sessions: 'sessions',
  actionTokens: 'mailed links and challenges',
  revocations: 'revocations',
  lockouts: 'counts of failed logins',
  mails: 'emails sent or dropped',
  knownDevices: 'devices not seen',
  apiKeys: 'API keys',
  totpFactors: 'second factors never confirmed',
  supersededPasswords: 'superseded passwords',
};
/** Counting millions of rows takes longer than a call may wait, and locks nothing. */
const COUNTING_MS = 600_000;
/** Between two tries while another node is at it. */
const TURN_MS = 50;

/** Prints how many rows of each kind went, or would go. Errors: ConfigError, WrongMasterKeyError, STORAGE_UNAVAILABLE. */
export async function cleanup(config: Config, { dryRun }: CleanupOptions): Promise<void> {
  const timeout = dryRun ? Math.max(config.DATABASE_TIMEOUT, COUNTING_MS) : config.DATABASE_TIMEOUT;
  const app = await openForCommand({ ...config, DATABASE_TIMEOUT: timeout });
  try {
    const counts = dryRun ? await app.cleanup.countEnded(app.clock.now()) : await deleteExpired(app);
    console.log(`${dryRun ? 'Would be deleted' : 'Deleted'}: ${totalOf(counts)} rows`);
    for (const kind of CLEANUP_KINDS) console.log(`${String(counts[kind] ?? 0).padStart(12)} ${NAMES[kind]}`);
  } finally {
    await closeApp(app);
  }
}

// Of what had ended when it began, so that it comes to an end while others live on. A round may leave rows that were locked, or some of one
// person's many devices: the next finds them.
async function deleteExpired(app: App): Promise<CleanupCounts> {
  const start = app.clock.now();
  const total: CleanupCounts = {};
  const onCleaned = (counts: CleanupCounts) => {
    for (const kind of CLEANUP_KINDS) total[kind] = (total[kind] ?? 0) + (counts[kind] ?? 0);
  };
  const cleaner = new Cleanup({ transact: app.transact, clock: { now: () => start }, onCleaned });
  let hasWarned = false;
  const whenLocked = async () => {
    if (!hasWarned) console.error('latchkey: another node is cleaning up too; taking turns with it');
    hasWarned = true;
    await delay(TURN_MS);
  };
  for (;;) {
    const { counts } = await cleaner.run(undefined, { budgetMs: Infinity, whenLocked });
    if (totalOf(counts) === 0) return total;
  }
}
