// Searches the audit events. Each look walks one index in the order of time, over a bounded number of events, and filters what it meets: what the
// planner believes of the rest can make it neither walk the whole log nor sort a great part of it.

import type { Kysely, RawBuilder, Selectable } from 'kysely';
import { sql } from 'kysely';
import type { AuditFilter } from '../../../domain/audit/audit-filter.ts';
import { isOfKind } from '../../../domain/audit/audit-filter.ts';
import type { AuditFinding, AuditSearch, AuditSearcher } from '../../../domain/audit/list-audit-events.ts';
import { toStoredEvent } from './audit-trail-store.ts';
import { date, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';

type Row = Selectable<Tables['audit_events']>;
type FoundRow = { readonly [Column in keyof Row]: Row[Column] | null } & {
  readonly looked: number;
  readonly reached_time: string | Date;
  readonly reached_id: string;
};

/** A search whose concepts have become the kinds that there are. */
type Walk = Omit<AuditSearch, 'filter'> & { readonly filter: AuditFilter };

/** An index to walk: its column, and the values to walk through. */
type Track =
  | { readonly by: 'time' }
  | { readonly by: 'request_id'; readonly value: string }
  | {
      readonly by: 'kind' | 'actor_id' | 'target_id' | 'account_id';
      readonly values: readonly string[];
    };

/** How far apart the events on each track lie is judged by so many. */
const SAMPLE = 500;

/** The searcher over a connection. */
export function auditSearcher(tables: Kysely<Tables>): AuditSearcher {
  return {
    async search(search) {
      const kinds = await wholeKinds(tables, search.filter.kinds);
      if (kinds === undefined) return { events: [], reached: undefined };
      const walk = { ...search, filter: { ...search.filter, kinds } };
      return look(tables, walk, await sparsestTrack(tables, walk));
    },
  };
}

/** The kinds that the patterns stand for; undefined when they stand for none. */
async function wholeKinds(
  tables: Kysely<Tables>,
  patterns: readonly string[],
): Promise<readonly string[] | undefined> {
  if (!patterns.some((pattern) => pattern.endsWith('.*'))) return [...new Set(patterns)];
  const known = await storedKinds(tables);
  const kinds = known.filter((kind) => patterns.some((pattern) => isOfKind(kind, pattern)));
  return kinds.length === 0 ? undefined : kinds;
}

// From each kind to the next by the index: a few looks, however many events there are (a loose index scan).
async function storedKinds(tables: Kysely<Tables>): Promise<readonly string[]> {
  const { rows } = await sql<{ kind: string }>`
    with recursive kinds as (
      (select kind from audit_events order by kind limit 1)
      union all
      (select next.kind from kinds cross join lateral (
        select kind from audit_events where kind > kinds.kind order by kind limit 1) as next))
    select kind from kinds`.execute(tables);
  return rows.map(({ kind }) => kind);
}

/** The track whose next events reach farthest: on it the fewest are looked at in vain. */
async function sparsestTrack(tables: Kysely<Tables>, walk: Walk): Promise<Track> {
  const [first = { by: 'time' }, ...others] = tracksOf(walk.filter);
  if (others.length === 0 || first.by === 'request_id') return first;
  const isNewestFirst = walk.order === 'newest_first';
  let sparsest: { readonly track: Track; readonly reach: number } = { track: first, reach: -Infinity };
  for (const track of [first, ...others]) {
    const edge = isNewestFirst ? sql`min(time)` : sql`max(time)`;
    const { rows } = await sql<{ looked: number; edge: string | Date | null }>`
      select count(*)::int as looked, ${edge} as edge from (${alongTrack(walk, track, SAMPLE)}) as sample`.execute(
      tables,
    );
    const [sample] = rows;
    if (sample === undefined || sample.edge === null || sample.looked < SAMPLE) return track;
    const reach = isNewestFirst ? -time(sample.edge) : time(sample.edge);
    if (reach > sparsest.reach) sparsest = { track, reach };
  }
  return sparsest.track;
}

function tracksOf({ requestId, targetId, accountId, actorId, kinds }: AuditFilter): readonly Track[] {
  const tracks: Track[] = [];
  if (requestId !== undefined) tracks.push({ by: 'request_id', value: requestId });
  if (targetId !== undefined) tracks.push({ by: 'target_id', values: [targetId] });
  if (accountId !== undefined) tracks.push({ by: 'account_id', values: [accountId] });
  if (kinds.length > 0) tracks.push({ by: 'kind', values: kinds });
  if (actorId !== undefined) tracks.push({ by: 'actor_id', values: [actorId] });
  return tracks;
}

async function look(tables: Kysely<Tables>, walk: Walk, track: Track): Promise<AuditFinding> {
  const isTrackAlone = isWholeFilter(walk.filter, track);
  const looks = isTrackAlone ? walk.limit : walk.looks;
  const direction = directionOf(walk);
  const back = walk.order === 'newest_first' ? sql`asc` : sql`desc`;
  const { rows } = await sql<FoundRow>`
    with looked as materialized (${alongTrack(walk, track, looks)}),
    reached as (
      select time as reached_time, id as reached_id, (select count(*) from looked)::int as looked
      from looked order by time ${back}, id ${back} limit 1)
    select * from reached left join lateral (
      select * from looked where ${conditionsOf(walk.filter)}
      order by time ${direction}, id ${direction} limit ${walk.limit}) as found on true`.execute(tables);
  const [reached] = rows;
  return {
    events: rows.filter(isEvent).map(toStoredEvent),
    reached:
      reached === undefined || reached.looked < looks
        ? undefined
        : { createTime: time(reached.reached_time), id: reached.reached_id },
  };
}

/**
 * The next `limit` events on the track, in order. A range of one value in the place of `=` leaves the planner no other index in that order but the
 * track's own.
 */
function alongTrack(walk: Walk, track: Track, limit: number): RawBuilder<unknown> {
  const direction = directionOf(walk);
  const inTime = timeConditions(walk);
  const end = sql`order by time ${direction}, id ${direction} limit ${limit}`;
  if (track.by === 'time') return sql`select * from audit_events where ${inTime} ${end}`;
  if (track.by === 'request_id')
    return sql`select * from audit_events where request_id = ${track.value} and ${inTime} ${end}`;
  const column = sql.ref(track.by);
  const type = track.by === 'account_id' ? sql`uuid` : sql`text`;
  // The indexes are by value up and by time down.
  const valueDirection = walk.order === 'newest_first' ? sql`asc` : sql`desc`;
  return sql`
    select event.* from unnest(${[...track.values]}::${type}[]) as track (value) cross join lateral (
      select * from audit_events where ${column} >= track.value and ${column} <= track.value and ${inTime}
      order by ${column} ${valueDirection}, time ${direction}, id ${direction} limit ${limit}) as event
    ${end}`;
}

function directionOf({ order }: Walk): RawBuilder<unknown> {
  return order === 'newest_first' ? sql`desc` : sql`asc`;
}

// The bound on the time alone says no more than the one on time and id, and lets whole months be passed over.
function timeConditions({ filter, order, behind }: Walk): RawBuilder<unknown> {
  const conditions = [sql`true`];
  if (filter.startTime !== undefined) conditions.push(sql`time >= ${date(filter.startTime)}`);
  if (filter.endTime !== undefined) conditions.push(sql`time < ${date(filter.endTime)}`);
  if (behind !== undefined) {
    const edge = date(behind.createTime);
    const row = sql`(${edge}::timestamptz, ${behind.id}::uuid)`;
    conditions.push(
      order === 'newest_first'
        ? sql`time <= ${edge} and (time, id) < ${row}`
        : sql`time >= ${edge} and (time, id) > ${row}`,
    );
  }
  return sql.join(conditions, sql` and `);
}

function conditionsOf(filter: AuditFilter): RawBuilder<unknown> {
  const { outcome, actorId, targetId, accountId, requestId, kinds } = filter;
  const conditions = [sql`true`];
  if (outcome !== undefined) conditions.push(sql`outcome = ${outcome}`);
  if (actorId !== undefined) conditions.push(sql`actor_id = ${actorId}`);
  if (targetId !== undefined) conditions.push(sql`target_id = ${targetId}`);
  if (accountId !== undefined) conditions.push(sql`account_id = ${accountId}::uuid`);
  if (requestId !== undefined) conditions.push(sql`request_id = ${requestId}`);
  if (kinds.length > 0) conditions.push(sql`kind = any(${[...kinds]}::text[])`);
  return sql.join(conditions, sql` and `);
}

/** Whether every event on the track within the times matches. */
function isWholeFilter(filter: AuditFilter, track: Track): boolean {
  const others = tracksOf(filter).filter(({ by }) => by !== track.by);
  return others.length === 0 && filter.outcome === undefined;
}

function isEvent(row: FoundRow): row is FoundRow & Row {
  return row.id !== null;
}
