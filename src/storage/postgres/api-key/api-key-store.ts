// API keys in Postgres, as those who are called by them look them up.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { ApiKeyStore, ApiKeyUse } from '../../../domain/api-key/api-key.ts';
import type { IpNetwork } from '../../../domain/network/ip-network.ts';
import { parseNetwork } from '../../../domain/network/ip-network.ts';
import { endMadeBy } from './end-made-keys.ts';
import { isLiveKeyAt, toApiKey } from './own-api-key-store.ts';
import { date, optionalDate, optionalTime } from '../row-values.ts';
import type { Tables } from '../rows.ts';

type KeyWithOwner = {
  readonly id: string;
  readonly digest: Uint8Array;
  readonly version: number;
  readonly owner_id: string;
  readonly owner_kind: string;
  readonly scopes: readonly string[];
  readonly allowed_cidrs: readonly string[];
  readonly expire_time: string | null;
  readonly revoke_time: string | null;
  readonly owner_active: boolean | null;
  readonly owner_role: string | null;
  readonly owner_scopes: readonly string[] | null;
  readonly owner_version: number | null;
};

/** The store over a connection or a transaction. */
export function apiKeyStore(tables: Kysely<Tables>): ApiKeyStore {
  return {
    async insert(key) {
      await tables
        .insertInto('api_keys')
        .values({
          id: key.id,
          digest: Buffer.from(key.digest),
          owner_id: key.ownerId,
          owner_kind: key.ownerKind,
          display_name: key.displayName,
          scopes: [...key.scopes],
          create_time: date(key.createTime),
          expire_time: optionalDate(key.expireTime),
          revoke_time: null,
          allowed_cidrs: [...key.allowedCidrs],
          last_used_time: null,
          use_count: '0',
          version: 1,
          made_by: key.madeBy ?? null,
        })
        .execute();
    },

    async find(id) {
      const { rows } = await sql<KeyWithOwner>`
        select k.id, k.digest, k.version, k.owner_id, k.owner_kind, k.scopes, k.allowed_cidrs, k.expire_time, k.revoke_time,
          coalesce(u.status, s.status) = 'active' as owner_active, u.role as owner_role, s.scopes as owner_scopes,
          coalesce(u.token_version, s.token_version) as owner_version
        from api_keys k
        left join users u on k.owner_kind = 'user' and u.id = k.owner_id
        left join service_accounts s on k.owner_kind = 'service' and s.id = k.owner_id
        where k.id = ${id}`.execute(tables);
      const [row] = rows;
      if (row === undefined) return undefined;
      return {
        id: row.id,
        digest: row.digest,
        version: row.version,
        ownerId: row.owner_id,
        ownerKind: row.owner_kind === 'user' ? 'user' : 'service',
        ownerActive: row.owner_active === true,
        ownerRole: row.owner_role ?? '',
        ownerScopes: row.owner_scopes ?? [],
        ownerVersion: row.owner_version ?? 0,
        scopes: row.scopes,
        networks: row.allowed_cidrs.map(toNetwork),
        expireTime: optionalTime(row.expire_time),
        revokeTime: optionalTime(row.revoke_time),
      };
    },

    async share(id, now) {
      const row = await tables
        .selectFrom('api_keys')
        .selectAll()
        .where('id', '=', id)
        .where(isLiveKeyAt(now))
        .forShare()
        .executeTakeFirst();
      return row === undefined ? undefined : toApiKey(row);
    },

    async setExpiry(id, expireTime) {
      await tables
        .updateTable('api_keys')
        .set({ expire_time: date(expireTime) })
        .where('id', '=', id)
        .execute();
    },

    async change({ id, displayName, scopes, allowedCidrs, expireTime }) {
      const { version } = await tables
        .updateTable('api_keys')
        .set((expression) => ({
          display_name: displayName,
          scopes: [...scopes],
          allowed_cidrs: [...allowedCidrs],
          expire_time: optionalDate(expireTime),
          version: expression('version', '+', 1),
        }))
        .where('id', '=', id)
        .returning('version')
        .executeTakeFirstOrThrow();
      return version;
    },

    endMadeBy: (ids, now, expireTime) => endMadeBy(tables, ids, now, expireTime),

    async revoke(id, now) {
      const { numUpdatedRows } = await tables
        .updateTable('api_keys')
        .set({ revoke_time: date(now) })
        .where('id', '=', id)
        .where('revoke_time', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },

    async addUses(uses) {
      for (let start = 0; start < uses.length; start += MAX_USES)
        await addSome(tables, uses.slice(start, start + MAX_USES));
    },
  };
}

const MAX_USES = 5_000;

// The rows are locked in one order, so that two nodes that write at once never hold what the other waits for.
async function addSome(tables: Kysely<Tables>, uses: readonly ApiKeyUse[]): Promise<void> {
  const column = <Value>(value: (use: ApiKeyUse) => Value) => uses.map(value);
  await sql`
    with used as (
      select * from unnest(${column(({ id }) => id)}::uuid[], ${column(({ count }) => count)}::float8[],
        ${column(({ lastUsedTime }) => lastUsedTime)}::float8[]) as u (id, count, last_used)),
    locked as materialized (
      select k.id from api_keys k where k.id in (select id from used) order by k.id for update)
    update api_keys k
    set use_count = k.use_count + u.count::bigint, last_used_time = greatest(k.last_used_time, to_timestamp(u.last_used / 1000.0))
    from used u, locked h
    where k.id = u.id and k.id = h.id`.execute(tables);
}

// A list that cannot be read must not become no list.
function toNetwork(text: string): IpNetwork {
  const read = parseNetwork(text);
  if (read === undefined) throw new Error(`allowed_cidrs holds ${text}, which is no network`);
  return read.network;
}
