// Statistics in Postgres: each read is one statement, and so sees one moment.

import type { Kysely, RawBuilder } from 'kysely';
import { sql } from 'kysely';
import type { UserStatus } from '../../../domain/account/user.ts';
import type {
  Activity,
  ActivityCount,
  CountedEvents,
  SessionCensus,
  StatsKeeper,
  StatsStore,
} from '../../../domain/stats/stats-store.ts';
import { ACTIVITIES } from '../../../domain/stats/stats-store.ts';
import { date, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';

/** The name under which those who fold and count take turns. */
const STATS_LOCK = 0x1a7c_4e16;
const BEGINNING = '00000000-0000-0000-0000-000000000000';

/** Where the sealed events of an hour or a day are counted, and what marks its beginning. */
const SEALED = {
  hour: { counts: sql`audit_counts`, begins: sql`hour` },
  day: { counts: sql`audit_day_counts`, begins: sql`day` },
} as const;

type UserCountRow = {
  readonly role: string;
  readonly status: UserStatus;
  readonly mfa_enabled: boolean;
  readonly email_verified: boolean;
  readonly users: string;
};

type ActivityRow = Readonly<Record<Activity, string>> & { readonly start_time: string | Date };

/** The statistics over a connection. */
export function statsStore(tables: Kysely<Tables>): StatsStore {
  return {
    async userCounts() {
      const { rows } = await sql<UserCountRow>`
        select role, status, mfa_enabled, email_verified, sum(users)::text as users
        from user_counts group by 1, 2, 3, 4 having sum(users) <> 0`.execute(tables);
      return rows.map((row) => ({
        role: row.role,
        status: row.status,
        mfaEnabled: row.mfa_enabled,
        emailVerified: row.email_verified,
        users: Number(row.users),
      }));
    },

    async usersByRole() {
      const { rows } = await sql<Pick<UserCountRow, 'role' | 'users'>>`
        select role, sum(users)::text as users from user_counts where status <> 'deleted'
        group by 1 having sum(users) <> 0`.execute(tables);
      return new Map(rows.map(({ role, users }) => [role, Number(users)]));
    },

    // What is sealed has been counted; what is not stands in the queue. Each event of the queue is looked up by itself: without the `offset` the
    // planner makes a join of it, and reads whole months for it.
    async activity({ interval, start, end }, counted) {
      const { counts, begins } = SEALED[interval];
      const columns = ACTIVITIES.map((activity) => {
        const isCounted = isOneOf(counted.filter((events) => events.activity === activity));
        return sql`coalesce(sum(events) filter (where ${isCounted}), 0)::text as ${sql.ref(activity)}`;
      });
      const { rows } = await sql<ActivityRow>`
        with happened as (
          select ${begins} as time, kind, outcome, events from ${counts}
          where ${begins} >= ${date(start)} and ${begins} < ${date(end)}
          union all
          select queued.event_time, kind, outcome, 1
          from (select distinct event_time, event_id from audit_queue
              where event_time >= ${date(start)} and event_time < ${date(end)}) queued
            cross join lateral (
              select kind, outcome from audit_events event
              where event.time = queued.event_time and event.id = queued.event_id offset 0) event)
        select date_trunc(${interval}, time, 'UTC') as start_time, ${sql.join(columns)}
        from happened where ${isOneOf(counted)} group by 1 order by 1`.execute(tables);
      return rows.map(toActivityCount);
    },

    async sessionCensus() {
      const row = await tables.selectFrom('session_census').selectAll().executeTakeFirst();
      return row === undefined ? undefined : toCensus(row);
    },
  };
}

/** The keeper over a transaction. */
export function statsKeeper(tables: Kysely<Tables>): StatsKeeper {
  return {
    async seeOneMoment() {
      await sql`set transaction isolation level repeatable read`.execute(tables);
    },

    async tryLock() {
      const { rows } = await sql<{
        readonly locked: boolean;
      }>`select pg_try_advisory_xact_lock(${STATS_LOCK}) as locked`.execute(tables);
      return rows[0]?.locked === true;
    },

    // In one statement: concurrent reads see all the rows, or the one that they have become.
    async foldUserCounts(limit) {
      const { rows } = await sql<{ readonly taken: number }>`
        with oldest as materialized (select * from user_counts order by id limit ${limit}),
        taken as (
          delete from user_counts where id = any (array(select id from oldest))
            and (select count(*) > count(distinct (role, status, mfa_enabled, email_verified)) from oldest)
          returning *),
        folded as (
          insert into user_counts (role, status, mfa_enabled, email_verified, users)
          select role, status, mfa_enabled, email_verified, sum(users) from taken
          group by 1, 2, 3, 4 having sum(users) <> 0)
        select count(*)::int as taken from taken`.execute(tables);
      return (rows[0]?.taken ?? 0) >= limit;
    },

    async countSessions({ now, position = BEGINNING, limit }) {
      const { rows } = await sql<{
        readonly active: string;
        readonly looked_at: number;
        readonly last_looked_at: string | null;
      }>`
        with looked_at as materialized (
          select id, user_id, epoch, revoke_time, expire_time, max_expire_time from sessions
          where id > ${position}::uuid order by id limit ${limit})
        select (select count(*)::int from looked_at) as looked_at,
          (select id from looked_at order by id desc limit 1) as last_looked_at,
          (select count(*)::text from looked_at session join users owner on owner.id = session.user_id
            where session.revoke_time is null and least(session.expire_time, session.max_expire_time) > ${date(now)}
              and session.epoch = owner.session_epoch and owner.status = 'active') as active`.execute(tables);
      const [row] = rows;
      const isDone = (row?.looked_at ?? 0) < limit;
      return {
        active: Number(row?.active ?? 0),
        position: isDone ? undefined : (row?.last_looked_at ?? undefined),
      };
    },

    async noteCensus({ activeSessions, time, tookMs }) {
      const values = { active_sessions: String(activeSessions), time: date(time), took_ms: tookMs };
      await tables
        .insertInto('session_census')
        .values({ is_only: true, ...values })
        .onConflict((conflict) => conflict.column('is_only').doUpdateSet(values))
        .execute();
    },
  };
}

function isOneOf(counted: readonly CountedEvents[]): RawBuilder<boolean> {
  const events = counted.map(({ kind, outcome }) => sql`(${kind}, ${outcome})`);
  return sql`(kind, outcome) in (${sql.join(events)})`;
}

function toActivityCount({ start_time: startTime, ...counts }: ActivityRow): ActivityCount {
  return {
    startTime: time(startTime),
    registrations: Number(counts.registrations),
    logins: Number(counts.logins),
    failures: Number(counts.failures),
    lockouts: Number(counts.lockouts),
  };
}

function toCensus(row: {
  readonly active_sessions: string;
  readonly time: string | Date;
  readonly took_ms: number;
}): SessionCensus {
  return { activeSessions: Number(row.active_sessions), time: time(row.time), tookMs: row.took_ms };
}
