// API keys and service accounts in Postgres.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { ApiKeyStore } from '../../domain/api-key/api-key.ts';
import type { ServiceAccountStore } from '../../domain/service-account/service-account.ts';
import { date, optionalDate, optionalTime } from './row-values.ts';
import type { Tables } from './rows.ts';

type KeyWithOwner = {
  readonly id: string;
  readonly digest: Uint8Array;
  readonly owner_id: string;
  readonly owner_kind: string;
  readonly scopes: readonly string[];
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
          allowed_cidrs: [],
          last_used_time: null,
          use_count: '0',
        })
        .execute();
    },

    async find(id) {
      const { rows } = await sql<KeyWithOwner>`
        select k.id, k.digest, k.owner_id, k.owner_kind, k.scopes, k.expire_time, k.revoke_time,
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
        ownerId: row.owner_id,
        ownerKind: row.owner_kind === 'user' ? 'user' : 'service',
        ownerActive: row.owner_active === true,
        ownerRole: row.owner_role ?? '',
        ownerScopes: row.owner_scopes ?? [],
        ownerVersion: row.owner_version ?? 0,
        scopes: row.scopes,
        expireTime: optionalTime(row.expire_time),
        revokeTime: optionalTime(row.revoke_time),
      };
    },

    async revoke(id, now) {
      const { numUpdatedRows } = await tables
        .updateTable('api_keys')
        .set({ revoke_time: date(now) })
        .where('id', '=', id)
        .where('revoke_time', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
  };
}

/** The store over a connection or a transaction. */
export function serviceAccountStore(tables: Kysely<Tables>): ServiceAccountStore {
  return {
    async insert(account) {
      const inserted = await tables
        .insertInto('service_accounts')
        .values({
          id: account.id,
          name: account.name,
          scopes: [...account.scopes],
          status: 'active',
          token_version: 1,
          create_time: date(account.createTime),
        })
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      return inserted !== undefined;
    },
  };
}
