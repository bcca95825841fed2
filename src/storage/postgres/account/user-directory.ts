// Accounts in Postgres, as operators look for them. Why it goes this way: docs/adr/0012-user-search-in-three-steps.md.

import type { Kysely, RawBuilder } from 'kysely';
import { sql } from 'kysely';
import type { FoundUser, UserDirectory, UserQuery } from '../../../domain/user-directory/user-directory.ts';
import type { Tables } from '../rows.ts';
import type { Page } from './user-directory-conditions.ts';
import { all, anyOf, conditionsOf, statusesOf } from './user-directory-conditions.ts';
import { toUser } from './user-store.ts';

type FoundRow = Parameters<typeof toUser>[0] & { readonly position_key: string };
type LookedAtRow = FoundRow & { readonly is_match: boolean | null; readonly is_last: boolean };
type Sampled = {
  /** Which part of all accounts was looked at. */
  readonly share: number;
  readonly looked_at: number;
  readonly matches: number;
  /** How many, in order, stand up to where a page is full; null when there are too few matches. */
  readonly distance: number | null;
};

/** How far to look before something else is tried, and what decides then. */
export type Looks = {
  /** How many accounts the first look takes in. */
  readonly first: number;
  /** A longer page may look further. */
  readonly perRow: number;
  /**
   * What an account costs, in microseconds or so: met on the way along an index, where addresses lie all over the table; as a match that is
   * fetched to be put in order; as one of all that are read for want of an index.
   */
  readonly costs: {
    readonly walk: Readonly<Record<UserQuery['order']['by'], number>>;
    readonly match: number;
    readonly scan: number;
  };
};

const LOOKS: Looks = {
  first: 5_000,
  perRow: 20,
  costs: { walk: { create_time: 1, email: 4 }, match: 4, scan: 0.5 },
};
/** How many pages of the table a sample reads. */
const SAMPLE_PAGES = 150;
/** How much further than a sample says a walk may go: it ends where the page is full. */
const MARGIN = 2;
/** How many matches of a sample, beside a page's own, make its distance one to go by. */
const SURE_MATCHES = 3;

const COLUMNS = sql.raw(
  `id, email, email_key, username, full_name, role, status, email_verified, mfa_enabled, token_version, session_epoch, create_time, update_time,
   last_login_time`,
);

/** The directory over a connection. */
export function userDirectory(tables: Kysely<Tables>, looks = LOOKS): UserDirectory {
  async function tryWalk(
    query: UserQuery,
    page: Page,
    look: number,
  ): Promise<readonly FoundRow[] | undefined> {
    const { rows } = await walk(query, page, look).execute(tables);
    const matches = rows.filter((row) => row.is_match === true);
    return matches.length === page.limit || !rows.some((row) => row.is_last) ? matches : undefined;
  }

  async function findRows(query: UserQuery, page: Page): Promise<readonly FoundRow[]> {
    const near = await tryWalk(query, page, Math.max(looks.first, page.limit * looks.perRow));
    if (near !== undefined) return near;
    const [sampled] = (await sample(query, page).execute(tables)).rows;
    const distance = worthwhileDistance(looks, query, sampled);
    const far = distance === undefined ? undefined : await tryWalk(query, page, distance);
    return far ?? (await gather(query, page).execute(tables)).rows;
  }

  return {
    async find(query, page) {
      const rows = await findRows(query, page);
      return rows.map(toFound);
    },
  };
}

// Along the index of the list's order, of each role and status by itself, `look` accounts far. The last of them comes too, matching or not:
// where it does not come, the walk has seen all.
function walk(query: UserQuery, page: Page, look: number): RawBuilder<LookedAtRow> {
  const { orderBy, positionKey, bounds, matches } = conditionsOf(query, page);
  const { roles } = query.filters;
  const branches = statusesOf(query.filters).flatMap((status) => {
    const ofStatus = sql<boolean>`status = ${status}`;
    return roles.length === 0 ? [ofStatus] : roles.map((role) => all([sql`role = ${role}`, ofStatus]));
  });
  const walks = branches.map(
    (branch) =>
      sql`(select ${COLUMNS}, search from users where ${all([branch, ...bounds])} order by ${orderBy} limit ${look})`,
  );
  return sql<LookedAtRow>`
    select ${COLUMNS}, ${positionKey} as position_key, is_match, nth = ${look} as is_last
    from (
      select *, ${all(matches)} as is_match, row_number() over (order by ${orderBy}) as nth
      from (select * from (${sql.join(walks, sql` union all `)}) walked order by ${orderBy} limit ${look}) looked_at
    ) seen
    where is_match or nth = ${look}
    order by ${orderBy}
    limit ${page.limit}`;
}

// How many match, and how far away, by some pages of the table.
function sample(query: UserQuery, page: Page): RawBuilder<Sampled> {
  const { orderBy, bounds, matches } = conditionsOf(query, page);
  const share = sql<number>`
    least(1, ${SAMPLE_PAGES}::float8 * current_setting('block_size')::int / greatest(pg_relation_size('users'), 1))`;
  return sql<Sampled>`
    select ${share} as share, count(*)::int as looked_at, count(*) filter (where is_match)::int as matches,
      (array_agg(nth order by nth) filter (where is_match))[${SURE_MATCHES}::int + ceil(${page.limit}::int * ${share})::int]::int as distance
    from (
      select ${all(matches)} as is_match, row_number() over (order by ${orderBy}) as nth
      from users tablesample system (${share} * 100) where ${all([...scopeOf(query), ...bounds])}
    ) sampled`;
}

// How far a walk has to go that costs less than to gather all matches; undefined when none does.
function worthwhileDistance(
  { costs }: Looks,
  { text, order }: UserQuery,
  sampled: Sampled | undefined,
): number | undefined {
  if (sampled === undefined || sampled.distance === null) return undefined;
  const { share, looked_at: lookedAt, matches, distance } = sampled;
  const gathering = text === '' ? lookedAt * costs.scan : matches * costs.match;
  return distance * costs.walk[order.by] <= gathering ? Math.ceil((distance / share) * MARGIN) : undefined;
}

// All that match, by whatever index is best for that, and then in order. `offset 0` keeps the planner from going along the order again.
function gather(query: UserQuery, page: Page): RawBuilder<FoundRow> {
  const { orderBy, positionKey, bounds, matches } = conditionsOf(query, page);
  return sql<FoundRow>`
    select ${COLUMNS}, ${positionKey} as position_key
    from (select ${COLUMNS} from users where ${all([...scopeOf(query), ...bounds, ...matches])} offset 0) found
    order by ${orderBy}
    limit ${page.limit}`;
}

function scopeOf({ filters }: UserQuery) {
  const ofStatus = anyOf('status', statusesOf(filters));
  return filters.roles.length === 0 ? [ofStatus] : [ofStatus, anyOf('role', filters.roles)];
}

function toFound(row: FoundRow): FoundUser {
  return { user: toUser(row), position: { key: row.position_key, id: row.id } };
}
