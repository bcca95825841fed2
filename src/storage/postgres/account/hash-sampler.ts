// A sample of the accounts' password hashes.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { HashSampler } from '../../../domain/password/hash-census.ts';
import type { Tables } from '../rows.ts';

/** Which pages are read: the same at every look and on every node, so that what is known changes only with the accounts. */
const SEED = 20_061;

/** The sampler over a connection. */
export function hashSampler(tables: Kysely<Tables>): HashSampler {
  return {
    async sampleHashes(limit) {
      const { rows: sizes } = await sql<{ readonly accounts: number }>`
        select greatest(reltuples, 0)::float8 as accounts from pg_class where oid = 'users'::regclass`.execute(
        tables,
      );
      const share = Math.min(100, (100 * limit) / Math.max(1, sizes[0]?.accounts ?? 0));
      const { rows } = await sql<{ readonly password_hash: string }>`
        select password_hash from users tablesample system (${share}::float4) repeatable (${SEED}::float8)
        where password_hash is not null and status <> 'deleted' limit ${2 * limit}`.execute(tables);
      return rows.map(({ password_hash: hash }) => hash);
    },
  };
}
