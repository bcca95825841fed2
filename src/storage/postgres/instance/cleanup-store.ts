// Cleanup in Postgres: short statements that skip locked rows.

import type { Kysely, RawBuilder } from 'kysely';
import { sql } from 'kysely';
import type {
  CleanupBatch,
  CleanupKind,
  CleanupProgress,
  CleanupStore,
} from '../../../domain/cleanup/cleanup-store.ts';
import { CLEANUP_KINDS, KEPT_MS } from '../../../domain/cleanup/cleanup-store.ts';
import { date } from '../row-values.ts';
import type { Tables } from '../rows.ts';

/** The name under which cleaners take turns. */
const CLEANUP_LOCK = 0x1a7c_4e17;
/** How many rows a walk looks at, for each that it may delete. */
const LOOKS_PER_DELETION = 4;
const BEGINNING = '00000000-0000-0000-0000-000000000000';

/** The oldest come first, by an index on `age`. */
type ByAge = { readonly table: RawBuilder<unknown>; readonly age: RawBuilder<unknown>; readonly only?: Only };
/** All rows are looked at, a few at a time, in the order of `key`, a uuid that the primary key begins with. */
type ByWalk = {
  readonly table: RawBuilder<unknown>;
  readonly key: RawBuilder<unknown>;
  readonly age: RawBuilder<unknown>;
  readonly only?: Only;
};
type Only = (now: Date) => RawBuilder<unknown>;

/**
 * Every refresh moves a session's expire_time, and every login a device's last_seen_time: an index on them would have to be written each time
 * (no heap-only tuples), so these are walked. `least` passes over nulls. Without its `offset` the planner makes a join of the look for a later
 * device, and reads those of every user for it.
 */
const WALKED = {
  sessions: {
    table: sql`sessions`,
    key: sql`id`,
    age: sql`least(expire_time, max_expire_time, revoke_time)`,
  },
  knownDevices: {
    table: sql`known_devices`,
    key: sql`user_id`,
    age: sql`last_seen_time`,
    only: () => sql`exists (
      select 1 from known_devices later
      where later.user_id = known_devices.user_id and later.last_seen_time > known_devices.last_seen_time
      offset 0)`,
  },
} satisfies Partial<Record<CleanupKind, ByWalk>>;

const AGED: Record<Exclude<CleanupKind, keyof typeof WALKED>, ByAge> = {
  actionTokens: { table: sql`action_tokens`, age: sql`expire_time` },
  // Whatever the clock of the node says: what stops tokens that may be alive stays.
  revocations: {
    table: sql`revocations`,
    age: sql`expire_time`,
    only: () => sql`expire_time <= clock_timestamp()`,
  },
  lockouts: {
    table: sql`lockouts`,
    age: sql`last_failure_time`,
    only: (now) => sql`(locked_until is null or locked_until <= ${now})`,
  },
  // A dropped email has no time of its own: the end of its last lease, a minute and a half later at most, stands for it.
  mails: {
    table: sql`outbox_mails`,
    age: sql`coalesce(sent_time, next_attempt_time)`,
    only: () => sql`state in ('sent', 'dropped')`,
  },
  apiKeys: { table: sql`api_keys`, age: sql`least(expire_time, revoke_time)` },
  totpFactors: { table: sql`totp_factors`, age: sql`create_time`, only: () => sql`confirm_time is null` },
  supersededPasswords: { table: sql`superseded_passwords`, age: sql`replace_time` },
};

/** The store over a transaction. */
export function cleanupStore(tables: Kysely<Tables>): CleanupStore {
  return {
    async tryLock() {
      const { rows } = await sql<{
        readonly locked: boolean;
      }>`select pg_try_advisory_xact_lock(${CLEANUP_LOCK}) as locked`.execute(tables);
      return rows[0]?.locked === true;
    },

    async countEnded(now) {
      const columns = CLEANUP_KINDS.map((kind) => {
        const { table, age, only = always }: ByAge | ByWalk = { ...WALKED, ...AGED }[kind];
        const ended = sql`${age} <= ${date(now - KEPT_MS[kind])} and ${only(date(now))}`;
        return sql`(select count(*) from ${table} where ${ended})::text as ${sql.ref(kind)}`;
      });
      const { rows } = await sql<Record<CleanupKind, string>>`select ${sql.join(columns)}`.execute(tables);
      const [counts] = rows;
      const numberOf = (kind: CleanupKind) => Number(counts?.[kind] ?? 0);
      return {
        sessions: numberOf('sessions'),
        actionTokens: numberOf('actionTokens'),
        revocations: numberOf('revocations'),
        lockouts: numberOf('lockouts'),
        mails: numberOf('mails'),
        knownDevices: numberOf('knownDevices'),
        apiKeys: numberOf('apiKeys'),
        totpFactors: numberOf('totpFactors'),
        supersededPasswords: numberOf('supersededPasswords'),
      };
    },

    async deleteBatch(batch) {
      const { kind } = batch;
      return kind === 'sessions' || kind === 'knownDevices'
        ? walk(tables, WALKED[kind], batch)
        : deleteOldest(tables, AGED[kind], batch);
    },
  };
}

async function deleteOldest(
  tables: Kysely<Tables>,
  { table, age, only = always }: ByAge,
  { before, now, limit }: CleanupBatch,
): Promise<CleanupProgress> {
  const { numAffectedRows } = await sql`
    with ended as materialized (
      select ctid from ${table} where ${age} <= ${date(before)} and ${only(date(now))}
      order by ${age} limit ${limit} for update skip locked)
    delete from ${table} where ctid = any (array(select ctid from ended))`.execute(tables);
  const deleted = Number(numAffectedRows ?? 0n);
  return { deleted, isDone: deleted < limit, position: undefined };
}

type WalkedRow = {
  readonly deleted: number;
  readonly last_deleted: string | null;
  readonly looked_at: number;
  readonly last_looked_at: string | null;
};

// The last key looked at bounds the step, not the last row: all devices of its person belong to it.
async function walk(
  tables: Kysely<Tables>,
  { table, key, age, only = always }: ByWalk,
  { before, now, limit, position = BEGINNING }: CleanupBatch,
): Promise<CleanupProgress> {
  const looks = limit * LOOKS_PER_DELETION;
  const { rows } = await sql<WalkedRow>`
    with looked_at as materialized (
      select ${key} as key from ${table} where ${key} > ${position}::uuid order by ${key} limit ${looks}),
    ended as materialized (
      select ctid, ${key} as key from ${table}
      where ${key} > ${position}::uuid and ${key} <= (select key from looked_at order by key desc limit 1)
        and ${age} <= ${date(before)} and ${only(date(now))}
      order by ${key} limit ${limit} for update skip locked),
    gone as (delete from ${table} where ctid = any (array(select ctid from ended)) returning 1)
    select (select count(*)::int from gone) as deleted, (select key from ended order by key desc limit 1) as last_deleted,
      (select count(*)::int from looked_at) as looked_at, (select key from looked_at order by key desc limit 1) as last_looked_at
    `.execute(tables);
  const [row] = rows;
  const deleted = row?.deleted ?? 0;
  if (deleted >= limit) return { deleted, isDone: false, position: row?.last_deleted ?? undefined };
  const isDone = (row?.looked_at ?? 0) < looks;
  return { deleted, isDone, position: isDone ? undefined : (row?.last_looked_at ?? undefined) };
}

function always(): RawBuilder<unknown> {
  return sql`true`;
}
