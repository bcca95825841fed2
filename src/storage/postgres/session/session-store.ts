// Sessions in Postgres: one row each, and one statement for each step.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { SessionStore } from '../../../domain/session/session-store.ts';
import type { Session } from '../../../domain/session/session.ts';
import { eventParameters } from '../audit/audit-log.ts';
import { endingOthers } from './end-other-sessions.ts';
import { date, time } from '../row-values.ts';
import { RENEW, renewalParameters } from './session-renewal.ts';
import { rotation } from './session-rotation.ts';
import type { SessionRow } from './session-rows.ts';
import { toSession } from './session-rows.ts';
import { touching } from './session-touch.ts';
import type { Tables } from '../rows.ts';
import type { RunStatement, Statement } from '../statement.ts';
import type { UserRow } from '../account/user-store.ts';
import { toUser } from '../account/user-store.ts';

type OwnerColumns =
  | 'email'
  | 'username'
  | 'full_name'
  | 'role'
  | 'status'
  | 'email_verified'
  | 'mfa_enabled'
  | 'token_version'
  | 'session_epoch';
/** A session's columns beside its owner's; the owner's times come under names of their own. */
type JoinedRow = SessionRow &
  Pick<UserRow, OwnerColumns> & {
    readonly user_create_time: UserRow['create_time'];
    readonly user_update_time: UserRow['update_time'];
    readonly user_last_login_time: UserRow['last_login_time'];
    readonly read_time: string;
  };

const INSERT_TEXT = `
    insert into sessions (id, user_id, generation, uses_cookie, salt, scopes, epoch, device_name, ip_address, user_agent, amr, auth_time, create_time,
      last_seen_time, expire_time, max_expire_time)
    select $1::uuid, $2::uuid, $3::int, $4::boolean, $5::bytea, $6::text[], $7::int, $8::text, $9::text, $10::text, $11::text[], $12::timestamptz,
      $13::timestamptz, $14::timestamptz, $15::timestamptz, $16::timestamptz`;

const INSERT: Statement<never> = { name: 'session_insert', text: INSERT_TEXT };

/** With its audit event, in one round trip. The event is new, so that the log need not be asked for it, which takes longer than writing it. */
const INSERT_WITH_EVENT: Statement<never> = {
  name: 'session_insert_with_event',
  text: `
    with event as (
      insert into audit_events (id, time, kind, outcome, reason, account_id, actor_id, target_id, ip_address, user_agent, request_id, details)
      values ($17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)),
    queued as (insert into audit_queue (event_id, event_time) values ($17, $18))
    ${INSERT_TEXT}`,
};

/** The session with its owner. */
export const FIND_WITH_USER: Statement<JoinedRow> = {
  name: 'session_find_with_user',
  text: `
    select s.id, s.user_id, s.generation, s.uses_cookie, s.salt, s.scopes, s.epoch, s.device_name, s.ip_address, s.user_agent, s.amr, s.auth_time,
      s.create_time, s.last_seen_time, s.rotate_time, s.expire_time, s.max_expire_time, s.revoke_time,
      u.email, u.username, u.full_name, u.role, u.status, u.email_verified, u.mfa_enabled, u.token_version, u.session_epoch,
      u.create_time as user_create_time, u.update_time as user_update_time, u.last_login_time as user_last_login_time,
      clock_timestamp() as read_time
    from sessions s join users u on u.id = s.user_id
    where s.id = $1`,
};

function columnsOf(session: Session): unknown[] {
  return [
    session.id,
    session.userId,
    session.generation,
    session.usesCookie,
    Buffer.from(session.salt),
    session.scopes === undefined ? null : [...session.scopes],
    session.epoch,
    session.deviceName,
    session.ipAddress,
    session.userAgent,
    [...session.amr],
    date(session.authTime),
    date(session.createTime),
    date(session.lastSeenTime),
    date(session.expireTime),
    date(session.maxExpireTime),
  ];
}

/** The store over a connection or a transaction. */
export function sessionStore(tables: Kysely<Tables>, run: RunStatement): SessionStore {
  return {
    async insert(session, event) {
      if (event === undefined) await run(INSERT, columnsOf(session));
      else await run(INSERT_WITH_EVENT, [...columnsOf(session), ...eventParameters(event)]);
    },

    async findWithUser(id) {
      const { rows } = await run(FIND_WITH_USER, [id]);
      const [row] = rows;
      if (row === undefined) return undefined;
      const user = toUser({
        ...row,
        id: row.user_id,
        create_time: row.user_create_time,
        update_time: row.user_update_time,
        last_login_time: row.user_last_login_time,
      });
      return { session: toSession(row), user, readTime: time(row.read_time) };
    },

    rotate: rotation(run),

    touch: touching(run),

    async renew(renewal) {
      const { rows } = await run(RENEW, renewalParameters(renewal));
      const [row] = rows;
      return row && toSession(row);
    },

    async revoke(id, userId, now) {
      const { numUpdatedRows } = await tables
        .updateTable('sessions')
        .set({ revoke_time: date(now) })
        .where('id', '=', id)
        .where('user_id', '=', userId)
        .where('revoke_time', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },

    endOthers: endingOthers(tables),

    async listLive(query) {
      const { before } = query;
      const live = tables
        .selectFrom('sessions')
        .selectAll()
        .where('user_id', '=', query.userId)
        .where('revoke_time', 'is', null)
        .where('epoch', '=', query.epoch)
        .where('expire_time', '>', date(query.now));
      const page =
        before === undefined
          ? live
          : live.where(sql<boolean>`(create_time, id) < (${date(before.createTime)}, ${before.id}::uuid)`);
      const rows = await page
        .orderBy('create_time', 'desc')
        .orderBy('id', 'desc')
        .limit(query.limit)
        .execute();
      return rows.map(toSession);
    },
  };
}
