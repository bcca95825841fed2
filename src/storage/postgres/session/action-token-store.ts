// Single-use tokens in Postgres: taking one away is what uses it.

import type { Kysely, Selectable } from 'kysely';
import { sql } from 'kysely';
import type {
  ActionPurpose,
  ActionToken,
  ActionTokenStore,
  PresentedActionToken,
} from '../../../domain/action-token/action-token.ts';
import { date, optionalTime, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';

function toToken(purpose: ActionPurpose, row: Selectable<Tables['action_tokens']>): ActionToken {
  return {
    id: row.id,
    purpose,
    userId: row.user_id,
    digest: row.digest,
    payload: row.payload,
    createTime: time(row.create_time),
    expireTime: time(row.expire_time),
    useTime: optionalTime(row.use_time ?? null),
  };
}

/** The store over a connection or a transaction. */
export function actionTokenStore(tables: Kysely<Tables>): ActionTokenStore {
  return {
    async insert(token) {
      await sql`
        insert into action_tokens (id, purpose, user_id, digest, payload, create_time, expire_time)
        values (${token.id}, ${token.purpose}, ${token.userId}, ${Buffer.from(token.digest)},
          ${JSON.stringify(token.payload)}::text::jsonb, ${date(token.createTime)}, ${date(token.expireTime)})`.execute(
        tables,
      );
    },

    async find(purpose, { id, digest }: PresentedActionToken) {
      const row = await tables
        .selectFrom('action_tokens')
        .selectAll()
        .where('id', '=', id)
        .where('purpose', '=', purpose)
        .where('digest', '=', Buffer.from(digest))
        .executeTakeFirst();
      return row === undefined ? undefined : toToken(purpose, row);
    },

    async consume(purpose, { id, digest }: PresentedActionToken) {
      const row = await tables
        .deleteFrom('action_tokens')
        .where('id', '=', id)
        .where('purpose', '=', purpose)
        .where('digest', '=', Buffer.from(digest))
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : toToken(purpose, row);
    },

    async use(purpose, { id, digest }: PresentedActionToken, now) {
      const row = await tables
        .updateTable('action_tokens')
        .set({ use_time: date(now) })
        .where('id', '=', id)
        .where('purpose', '=', purpose)
        .where('digest', '=', Buffer.from(digest))
        .where('use_time', 'is', null)
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : toToken(purpose, row);
    },

    async deleteAll(userId, purposes) {
      await tables
        .deleteFrom('action_tokens')
        .where('user_id', '=', userId)
        .where('purpose', 'in', [...purposes])
        .execute();
    },
  };
}
