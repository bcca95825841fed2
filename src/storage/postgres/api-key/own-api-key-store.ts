// API keys in Postgres, as the people who own them deal with them.

import type { Kysely, Selectable } from 'kysely';
import { sql } from 'kysely';
import type { ApiKey, OwnApiKeyStore } from '../../../domain/api-key/api-key.ts';
import type { RevocationRow } from '../session/revocation-store.ts';
import { REVOCATION_COLUMNS, toRevocation } from '../session/revocation-store.ts';
import { date, optionalTime, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';
import { expiryOfRevocation } from '../session/token-lifetime-store.ts';

/** The store over a connection or a transaction. */
export function ownApiKeyStore(tables: Kysely<Tables>): OwnApiKeyStore {
  const own = (ownerId: string) =>
    tables.selectFrom('api_keys').where('owner_kind', '=', 'user').where('owner_id', '=', ownerId);

  return {
    async lockOwner(ownerId) {
      const owner = await tables
        .selectFrom('users')
        .select(['role', 'token_version'])
        .where('id', '=', ownerId)
        .where('status', '=', 'active')
        .forNoKeyUpdate()
        .executeTakeFirst();
      return owner && { role: owner.role, tokenVersion: owner.token_version };
    },

    async countLive(ownerId, now) {
      const { count } = await own(ownerId)
        .where(isLiveKeyAt(now))
        .select((expression) => expression.fn.countAll<string>().as('count'))
        .executeTakeFirstOrThrow();
      return Number(count);
    },

    async lockLive(id, ownerId, now) {
      const row = await own(ownerId)
        .selectAll()
        .where('id', '=', id)
        .where(isLiveKeyAt(now))
        .forUpdate()
        .executeTakeFirst();
      return row === undefined ? undefined : toApiKey(row);
    },

    async revokeOwn(id, ownerId, now) {
      const { numUpdatedRows } = await tables
        .updateTable('api_keys')
        .set({ revoke_time: date(now) })
        .where('id', '=', id)
        .where('owner_kind', '=', 'user')
        .where('owner_id', '=', ownerId)
        .where('revoke_time', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },

    // The rows are locked in the order in which uses are added to them, so that the two never hold what the other waits for.
    async endAll(ownerId, now, expireTime) {
      const keptUntil = expiryOfRevocation(
        sql`${date(now)}::timestamptz`,
        sql`${date(expireTime)}::timestamptz`,
      );
      const { rows } = await sql<RevocationRow>`
        with locked as materialized (
          select id from api_keys
          where owner_kind = 'user' and owner_id = ${ownerId} and revoke_time is null order by id for update),
        ended as (
          update api_keys k set revoke_time = ${date(now)} from locked h where k.id = h.id returning k.id)
        insert into revocations as r (form, target_id, min_version, revoke_time, expire_time)
        select 'session', id::text, 0, ${date(now)}::timestamptz, ${keptUntil} from ended
        on conflict (form, target_id) do update
        set expire_time = greatest(r.expire_time, excluded.expire_time), effect_time = null, written_by = excluded.written_by
        returning ${REVOCATION_COLUMNS}`.execute(tables);
      return rows.map(toRevocation);
    },

    async list({ ownerId, before, limit }) {
      const kept = own(ownerId).selectAll().where('revoke_time', 'is', null);
      const page =
        before === undefined
          ? kept
          : kept.where(sql<boolean>`(create_time, id) < (${date(before.createTime)}, ${before.id}::uuid)`);
      const rows = await page.orderBy('create_time', 'desc').orderBy('id', 'desc').limit(limit).execute();
      return rows.map(toApiKey);
    },
  };
}

/** Neither revoked nor expired, as a condition on api_keys. */
export function isLiveKeyAt(now: number) {
  return sql<boolean>`revoke_time is null and (expire_time is null or expire_time > ${date(now)})`;
}

/** The row as owners and operators see it. */
export function toApiKey(row: Selectable<Tables['api_keys']>): ApiKey {
  return {
    id: row.id,
    ownerId: row.owner_id,
    displayName: row.display_name,
    scopes: row.scopes,
    allowedCidrs: row.allowed_cidrs,
    createTime: time(row.create_time),
    expireTime: optionalTime(row.expire_time ?? null),
    lastUsedTime: optionalTime(row.last_used_time ?? null),
    useCount: BigInt(row.use_count),
  };
}
