// Service accounts in Postgres, and their keys as operators deal with them.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type {
  ServiceAccountStore,
  ServiceApiKeyStore,
} from '../../../domain/service-account/service-account.ts';
import { isLiveKeyAt, toApiKey } from './own-api-key-store.ts';
import { date, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';

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

    async lock(id) {
      const row = await tables
        .selectFrom('service_accounts')
        .select('scopes')
        .where('id', '=', id)
        .where('status', '=', 'active')
        .forNoKeyUpdate()
        .executeTakeFirst();
      return row?.scopes;
    },

    async share(id) {
      const row = await tables
        .selectFrom('service_accounts')
        .select('scopes')
        .where('id', '=', id)
        .where('status', '=', 'active')
        .forShare()
        .executeTakeFirst();
      return row?.scopes;
    },

    // No name that can be asked for holds a colon.
    async delete(id) {
      const { token_version: version } = await tables
        .updateTable('service_accounts')
        .set((expression) => ({
          status: 'deleted',
          name: `deleted:${id}`,
          token_version: expression('token_version', '+', 1),
        }))
        .where('id', '=', id)
        .returning('token_version')
        .executeTakeFirstOrThrow();
      return version;
    },

    async list({ before, limit }) {
      const all = tables
        .selectFrom('service_accounts')
        .select(['id', 'name', 'scopes', 'create_time'])
        .where('status', '<>', 'deleted');
      const page =
        before === undefined
          ? all
          : all.where(sql<boolean>`(create_time, id) < (${date(before.createTime)}, ${before.id}::uuid)`);
      const rows = await page.orderBy('create_time', 'desc').orderBy('id', 'desc').limit(limit).execute();
      return rows.map(({ id, name, scopes, create_time: createTime }) => ({
        id,
        name,
        scopes,
        createTime: time(createTime),
      }));
    },
  };
}

/** The store over a connection or a transaction. */
export function serviceApiKeyStore(tables: Kysely<Tables>): ServiceApiKeyStore {
  const ofServices = () => tables.selectFrom('api_keys').where('owner_kind', '=', 'service');
  const lockedKey = async (query: ReturnType<typeof ofServices>) => {
    const row = await query.selectAll().forUpdate().executeTakeFirst();
    return row === undefined ? undefined : toApiKey(row);
  };

  return {
    async countLive(accountId, now) {
      const { count } = await ofServices()
        .where('owner_id', '=', accountId)
        .where(isLiveKeyAt(now))
        .select((expression) => expression.fn.countAll<string>().as('count'))
        .executeTakeFirstOrThrow();
      return Number(count);
    },

    async listLive(accountIds, now) {
      const rows = await ofServices()
        .selectAll()
        .where('owner_id', 'in', [...accountIds])
        .where(isLiveKeyAt(now))
        .orderBy('create_time', 'desc')
        .orderBy('id', 'desc')
        .execute();
      return rows.map(toApiKey);
    },

    async endAll(accountId, now) {
      const { rows } = await sql<{ readonly id: string }>`
        with locked as materialized (
          select id from api_keys
          where owner_kind = 'service' and owner_id = ${accountId} and revoke_time is null order by id for update),
        ended as (update api_keys k set revoke_time = ${date(now)} from locked h where k.id = h.id)
        select id::text as id from api_keys where owner_kind = 'service' and owner_id = ${accountId}`.execute(
        tables,
      );
      return rows.map(({ id }) => id);
    },

    lock: (id) => lockedKey(ofServices().where('id', '=', id).where('revoke_time', 'is', null)),
    lockEnded: (id) => lockedKey(ofServices().where('id', '=', id)),
  };
}
