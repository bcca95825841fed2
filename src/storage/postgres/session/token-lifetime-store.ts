// Lifetimes of access tokens in Postgres, and the time at which every token has expired that may be alive now.

import type { Kysely, RawBuilder } from 'kysely';
import { sql } from 'kysely';
import { REVOCATION_MARGIN_MS } from '../../../domain/revocation/revocation.ts';
import type { TokenLifetimeStore } from '../../../domain/token/token-lifetimes.ts';
import type { Tables } from '../rows.ts';

const MARGIN = sql`${REVOCATION_MARGIN_MS} * interval '1 millisecond'`;
/** The longest lifetime of which a token may be alive. Null when none is registered. The hour is for a node that could not register anew. */
export const LONGEST_LIFETIME = sql<string>`(
  select max(lifetime) from access_token_lifetimes
  where last_used_time + lifetime + interval '1 hour' > clock_timestamp())`;

/**
 * A timestamptz: when a revocation may be deleted that holds from `holdsFrom` on, or from now when that is later. `atLeast` bounds it from below, and
 * is the answer when no lifetime is registered. Both are SQL of type timestamptz.
 */
export function expiryOfRevocation(
  holdsFrom: RawBuilder<unknown>,
  atLeast: RawBuilder<unknown>,
): RawBuilder<Date> {
  return sql`greatest(${atLeast}, greatest(${holdsFrom}, clock_timestamp()) + ${LONGEST_LIFETIME} + ${MARGIN})`;
}

/** The store over a connection or a transaction. */
export function tokenLifetimeStore(tables: Kysely<Tables>): TokenLifetimeStore {
  return {
    async register(lifetimeMs) {
      // greatest: the row may say that others issue such tokens for a while yet.
      const lifetime = sql`${lifetimeMs} * interval '1 millisecond'`;
      await sql`
        with expired as (
          delete from access_token_lifetimes
          where last_used_time + lifetime + interval '1 day' < clock_timestamp() and lifetime <> ${lifetime})
        insert into access_token_lifetimes as l (lifetime, last_used_time) values (${lifetime}, clock_timestamp())
        on conflict (lifetime) do update set last_used_time = greatest(l.last_used_time, excluded.last_used_time)`.execute(
        tables,
      );
    },
  };
}
