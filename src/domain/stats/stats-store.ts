// Ports: the statistics that are kept as things happen, and what keeps them small and true.

import type { UserStatus } from '../account/user.ts';
import type { AuditEvent } from '../audit/audit-event.ts';

/** How many accounts have these in common, deleted ones too. */
export type UserCount = {
  readonly role: string;
  readonly status: UserStatus;
  readonly mfaEnabled: boolean;
  readonly emailVerified: boolean;
  readonly users: number;
};

/** What is counted by the hour and by the day. */
export const ACTIVITIES = ['registrations', 'logins', 'failures', 'lockouts'] as const;
export type Activity = (typeof ACTIVITIES)[number];

/** The events of one kind and outcome, and what they count as. */
export type CountedEvents = Pick<AuditEvent, 'kind' | 'outcome'> & { readonly activity: Activity };

/** Hours or days (UTC) in a row. Times are epoch milliseconds. */
export type StatsPeriod = {
  readonly interval: 'hour' | 'day';
  /** When the first one begins. */
  readonly start: number;
  /** When the last one ends: the first moment that is not counted. */
  readonly end: number;
};

/** What happened in one hour or day. */
export type ActivityCount = Readonly<Record<Activity, number>> & {
  /** When the hour or day begins, in epoch milliseconds. */
  readonly startTime: number;
};

/** How many sessions lived at a moment. */
export type SessionCensus = {
  readonly activeSessions: number;
  /** Epoch milliseconds. */
  readonly time: number;
  /** How long the counting took, in milliseconds. */
  readonly tookMs: number;
};

/** The statistics. Each method answers what is true at one moment, whatever is being written, folded or sealed. */
export type StatsStore = {
  /** Groups without accounts are left out. */
  userCounts(): Promise<readonly UserCount[]>;
  /** How many accounts have each role, deleted ones aside; a role without accounts is left out. */
  usersByRole(): Promise<ReadonlyMap<string, number>>;
  /** Hours or days in which nothing happened are left out. */
  activity(period: StatsPeriod, counted: readonly CountedEvents[]): Promise<readonly ActivityCount[]>;
  /** The last one; undefined before the first. */
  sessionCensus(): Promise<SessionCensus | undefined>;
};

/** A piece of a census. */
export type CensusStep = {
  readonly now: number;
  /** Where the piece before left off; undefined for the beginning. */
  readonly position: string | undefined;
  /** How many sessions are looked at. */
  readonly limit: number;
};

export type CensusProgress = {
  /** How many of them live: neither revoked nor at an end, of their owner's epoch, and the owner active. */
  readonly active: number;
  /** For the next piece; undefined after the last. */
  readonly position: string | undefined;
};

/** For use within a transaction. */
export type StatsKeeper = {
  /** Shows the transaction one moment until it ends. Must come before everything else in it. */
  seeOneMoment(): Promise<void>;
  /** Takes the lock until the transaction ends; false when another transaction, on any node, has it. */
  tryLock(): Promise<boolean>;
  /** Makes one row of many that count the same accounts, of at most `limit` rows; true when there may be more to fold. */
  foldUserCounts(limit: number): Promise<boolean>;
  countSessions(step: CensusStep): Promise<CensusProgress>;
  /** Takes the place of the last census. */
  noteCensus(census: SessionCensus): Promise<void>;
};
