// Port: deletes expired rows; and how long each kind is kept after it has.

import { SUPERSEDED_FOR_MS } from '../password/superseded-password.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * How long rows are kept once they have expired, in milliseconds, so that what happened of late can still be looked into, and no
 * clock that is behind misses them. Emails that were given up are kept, and so are audit events.
 */
export const KEPT_MS = {
  /** Expired, idle or revoked: longer than any access token lives. */
  sessions: 7 * DAY_MS,
  actionTokens: DAY_MS,
  revocations: HOUR_MS,
  /** Since the last failure; never while the account is locked. */
  lockouts: DAY_MS,
  /** Sent or dropped. */
  mails: 30 * DAY_MS,
  /** Not seen. A person's latest one is kept: after a long absence a new device must still be recognized as new. */
  knownDevices: 180 * DAY_MS,
  /** Expired or revoked. */
  apiKeys: 90 * DAY_MS,
  /** Never confirmed. */
  totpFactors: DAY_MS,
  /** Since they were replaced. */
  supersededPasswords: SUPERSEDED_FOR_MS,
} as const;

export type CleanupKind = keyof typeof KEPT_MS;

/** How many rows of each kind. */
export type CleanupCounts = Partial<Record<CleanupKind, number>>;

/** Every kind. */
export const CLEANUP_KINDS: readonly CleanupKind[] = [
  'sessions',
  'actionTokens',
  'revocations',
  'lockouts',
  'mails',
  'knownDevices',
  'apiKeys',
  'totpFactors',
  'supersededPasswords',
];

/** A bounded piece of work. Times are epoch milliseconds. */
export type CleanupBatch = {
  readonly kind: CleanupKind;
  /** Rows that expired at this time or earlier are deleted. */
  readonly before: number;
  readonly now: number;
  /** Where the batch before left off; undefined for the beginning. */
  readonly position: string | undefined;
  /** How many rows go at most. */
  readonly limit: number;
};

export type CleanupProgress = {
  readonly deleted: number;
  /** Whether another batch would find nothing more, but rows that are locked now. */
  readonly isDone: boolean;
  /** For the next batch; undefined when that begins at the beginning. */
  readonly position: string | undefined;
};

/** For use within a transaction, one batch each. */
export type CleanupStore = {
  /** How many rows of each kind a cleanup at `now` would delete, all as of one moment. Locks no row, and may take long. */
  countEnded(now: number): Promise<Readonly<Record<CleanupKind, number>>>;
  /** Takes the lock until the transaction ends; false when another transaction, on any node, has it. */
  tryLock(): Promise<boolean>;
  /** Skips rows that are locked, and waits for none. */
  deleteBatch(batch: CleanupBatch): Promise<CleanupProgress>;
};
