// Renews a session: it goes on under another refresh token or cookie, in its owner's present epoch.

import type { Renewal } from '../../../domain/session/session-store.ts';
import { date } from '../row-values.ts';
import type { SessionRow } from './session-rows.ts';
import type { Statement } from '../statement.ts';

/** Waits for a refresh that has locked the row, and renews what that left. */
export const RENEW: Statement<SessionRow> = {
  name: 'session_renew',
  text: `
    update sessions s
    set epoch = u.session_epoch, generation = s.generation + 1, rotate_time = clock_timestamp(), last_seen_time = $4::timestamptz,
      salt = case when $6::boolean or s.uses_cookie then $5::bytea else s.salt end,
      expire_time = least(greatest(s.expire_time, $7::timestamptz), s.max_expire_time), ip_address = $8::text, user_agent = $9::text,
      auth_time = coalesce($10::timestamptz, s.auth_time),
      amr = s.amr || array(select m from unnest($11::text[]) with ordinality as a (m, place) where m <> all(s.amr) order by place)
    from users u
    where s.id = $1::uuid and s.user_id = $2::uuid and s.epoch = $3::int and u.id = s.user_id and u.status = 'active'
      and s.revoke_time is null and least(s.expire_time, s.max_expire_time) > $4::timestamptz
    returning s.*`,
};

/** The parameters of `RENEW`. */
export function renewalParameters(renewal: Renewal): unknown[] {
  const { sessionId, userId, epoch, now, salt, endsTokens, expireTime, origin, proof } = renewal;
  return [
    sessionId,
    userId,
    epoch,
    date(now),
    Buffer.from(salt),
    endsTokens,
    date(expireTime),
    origin.ipAddress,
    origin.userAgent,
    proof === undefined ? null : date(proof.authTime),
    [...(proof?.amr ?? [])],
  ];
}
