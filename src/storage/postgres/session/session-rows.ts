// The rows of sessions as the domain knows them.

import type { Selectable } from 'kysely';
import type { Session } from '../../../domain/session/session.ts';
import { optionalTime, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';

/** A row of `sessions`. */
export type SessionRow = Selectable<Tables['sessions']>;

/** The session of a row. */
export function toSession(row: SessionRow): Session {
  return {
    id: row.id,
    userId: row.user_id,
    generation: row.generation,
    usesCookie: row.uses_cookie,
    salt: row.salt,
    scopes: row.scopes ?? undefined,
    epoch: row.epoch,
    deviceName: row.device_name,
    ipAddress: row.ip_address,
    userAgent: row.user_agent,
    amr: row.amr,
    authTime: time(row.auth_time),
    createTime: time(row.create_time),
    lastSeenTime: time(row.last_seen_time),
    rotateTime: optionalTime(row.rotate_time),
    expireTime: time(row.expire_time),
    maxExpireTime: time(row.max_expire_time),
    revokeTime: optionalTime(row.revoke_time),
  };
}
