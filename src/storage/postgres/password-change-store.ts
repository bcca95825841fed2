// A new password and what it does to the sessions, in Postgres.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { PasswordChangeStore } from '../../domain/account/password-change-store.ts';
import type { Revocation } from '../../domain/revocation/revocation.ts';
import { date } from './row-values.ts';
import type { Tables } from './rows.ts';
import { toUser } from './user-store.ts';

/** The store over a connection or, for what writes, a transaction. */
export function passwordChangeStore(tables: Kysely<Tables>): PasswordChangeStore {
  return {
    async find(userId) {
      const row = await tables
        .selectFrom('users')
        .selectAll()
        .where('id', '=', userId)
        .where('status', '<>', 'deleted')
        .executeTakeFirst();
      return row === undefined ? undefined : { ...toUser(row), passwordHash: row.password_hash ?? undefined };
    },

    async replace({ userId, checkedHash, newHash, sessionId, now }) {
      const row = await tables
        .updateTable('users')
        .set({
          password_hash: newHash,
          session_epoch: sql`session_epoch + 1`,
          update_time: date(now),
        })
        .where('id', '=', userId)
        .where('status', '=', 'active')
        .where('password_hash', '=', checkedHash)
        .returningAll()
        .executeTakeFirst();
      if (row === undefined) return 'conflict';
      const carried = await tables
        .updateTable('sessions')
        .set({ epoch: row.session_epoch })
        .where('id', '=', sessionId)
        .where('user_id', '=', userId)
        .where('revoke_time', 'is', null)
        .where('epoch', '=', row.session_epoch - 1)
        .where('expire_time', '>', date(now))
        .executeTakeFirst();
      return carried.numUpdatedRows === 1n ? toUser(row) : 'session_ended';
    },

    // Those that are still to be seen count too: a refresh that began before this commits hands out an access token all the same.
    async revokeOthers({ userId, sessionId, tokenLifeMs, expireTime, now }) {
      const { rows } = await sql<{ readonly target_id: string }>`
        insert into revocations as r (form, target_id, min_version, revoke_time, expire_time)
        select 'session', s.id::text, 0, ${date(now)}, ${date(expireTime)}
        from sessions s join users u on u.id = s.user_id
        where s.user_id = ${userId} and s.id <> ${sessionId} and s.revoke_time is null and s.epoch = u.session_epoch - 1
          and (s.expire_time > ${date(now)} or s.last_seen_time > ${date(now - tokenLifeMs)})
        on conflict (form, target_id) do update
        set expire_time = greatest(r.expire_time, excluded.expire_time), written_by = excluded.written_by
        returning target_id`.execute(tables);
      return rows.map((row): Revocation => ({
        form: 'session',
        id: row.target_id,
        revokeTime: now,
        expireTime,
      }));
    },
  };
}
