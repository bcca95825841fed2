// Statistics about the whole installation, from what is kept as things happen.

import type { UserStatus } from '../account/user.ts';
import { DomainError } from '../errors.ts';
import type { CensusDeps } from './census.ts';
import { takeCensus } from './census.ts';
import { intervalMs } from './period.ts';
import type {
  ActivityCount,
  CountedEvents,
  SessionCensus,
  StatsPeriod,
  StatsStore,
  UserCount,
} from './stats-store.ts';

/** What events count as; the proto's ActivityCount says it in words. */
export const COUNTED_EVENTS: readonly CountedEvents[] = [
  { kind: 'account.register', outcome: 'success', activity: 'registrations' },
  { kind: 'account.create', outcome: 'success', activity: 'registrations' },
  // With a second factor, the event of the session is session.verify_mfa; the password alone leaves session.mfa_challenge.
  { kind: 'session.login', outcome: 'success', activity: 'logins' },
  { kind: 'session.verify_mfa', outcome: 'success', activity: 'logins' },
  { kind: 'session.login', outcome: 'refused', activity: 'failures' },
  { kind: 'session.verify_mfa', outcome: 'refused', activity: 'failures' },
  { kind: 'account.locked', outcome: 'success', activity: 'lockouts' },
];

const STATUSES: readonly UserStatus[] = ['active', 'suspended', 'deleted'];

export type Stats = {
  /** This and the counts below: accounts that are not deleted. */
  readonly totalUsers: number;
  readonly mfaUsers: number;
  readonly verifiedUsers: number;
  /** By the name of the role; roles without accounts are left out. */
  readonly usersByRole: ReadonlyArray<{ readonly role: string; readonly users: number }>;
  /** Every status, deleted accounts too. */
  readonly usersByStatus: ReadonlyArray<{ readonly status: UserStatus; readonly users: number }>;
  readonly census: SessionCensus;
  /** Every hour or day of the period, oldest first. */
  readonly activity: readonly ActivityCount[];
};

export type GetStatsDeps = CensusDeps & { readonly stats: StatsStore };

/**
 * Counts of accounts and of what happened in the period, exact now; of sessions, exact at the last census, which is taken here when there has
 * been none. Errors: STORAGE_UNAVAILABLE; CALL_CANCELLED when `signal` ends the first census.
 */
export async function getStats(deps: GetStatsDeps, period: StatsPeriod, signal: AbortSignal): Promise<Stats> {
  const [counts, activity, census] = await Promise.all([
    deps.stats.userCounts(),
    deps.stats.activity(period, COUNTED_EVENTS),
    lastCensus(deps, signal),
  ]);
  const present = counts.filter(({ status }) => status !== 'deleted');
  return {
    totalUsers: sum(present),
    mfaUsers: sum(present.filter(({ mfaEnabled }) => mfaEnabled)),
    verifiedUsers: sum(present.filter(({ emailVerified }) => emailVerified)),
    usersByRole: byRole(present),
    usersByStatus: STATUSES.map((status) => ({
      status,
      users: sum(counts.filter((count) => count.status === status)),
    })),
    census,
    activity: fillIn(activity, period),
  };
}

function sum(counts: readonly UserCount[]): number {
  return counts.reduce((total, { users }) => total + users, 0);
}

function byRole(counts: readonly UserCount[]): Stats['usersByRole'] {
  const roles = Map.groupBy(counts, ({ role }) => role);
  return [...roles]
    .map(([role, group]) => ({ role, users: sum(group) }))
    .filter(({ users }) => users > 0)
    .toSorted((left, right) => (left.role < right.role ? -1 : 1));
}

async function lastCensus(deps: GetStatsDeps, signal: AbortSignal): Promise<SessionCensus> {
  const census = (await deps.stats.sessionCensus()) ?? (await takeCensus(deps, signal));
  if (census !== undefined) return census;
  throw new DomainError('CALL_CANCELLED', 'The call was cancelled.');
}

function fillIn(counts: readonly ActivityCount[], period: StatsPeriod): readonly ActivityCount[] {
  const step = intervalMs(period);
  const byStart = new Map(counts.map((count) => [count.startTime, count]));
  return Array.from({ length: (period.end - period.start) / step }, (_, index) => {
    const startTime = period.start + index * step;
    return byStart.get(startTime) ?? { startTime, registrations: 0, logins: 0, failures: 0, lockouts: 0 };
  });
}
