// Ends all sessions of a user but one: an epoch for all of them, a revocation for each that may have an access token, or get one.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { EndOthers } from '../../../domain/session/session-store.ts';
import type { Revocation } from '../../../domain/revocation/revocation.ts';
import type { RevocationRow } from './revocation-store.ts';
import { REVOCATION_COLUMNS, toRevocation } from './revocation-store.ts';
import { date } from '../row-values.ts';
import { expiryOfRevocation, LONGEST_LIFETIME } from './token-lifetime-store.ts';
import type { Tables } from '../rows.ts';

/** As the session store offers it. Three statements, so that the later ones see what the wait for the user's row brought. */
export function endingOthers(
  tables: Kysely<Tables>,
): (input: EndOthers) => Promise<readonly Revocation[] | undefined> {
  return async (input) => {
    const epoch = await raiseSessionEpoch(tables, input);
    if (epoch === undefined || !(await carryOver(tables, input, epoch))) return undefined;
    return revokeOthers(tables, input, epoch - 1);
  };
}

async function raiseSessionEpoch(tables: Kysely<Tables>, { userId, now }: EndOthers) {
  const row = await tables
    .updateTable('users')
    .set({ session_epoch: sql`session_epoch + 1`, update_time: date(now) })
    .where('id', '=', userId)
    .returning('session_epoch')
    .executeTakeFirst();
  return row?.session_epoch;
}

async function carryOver(tables: Kysely<Tables>, input: EndOthers, epoch: number): Promise<boolean> {
  const { numUpdatedRows } = await tables
    .updateTable('sessions')
    .set({ epoch, amr: sql`amr || ${withoutThose(input.amr)}` })
    .where('id', '=', input.keptId)
    .where('user_id', '=', input.userId)
    .where('epoch', '=', epoch - 1)
    .where('revoke_time', 'is', null)
    .where('expire_time', '>', date(input.now))
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

function withoutThose(amr: readonly string[]) {
  const added = sql.join(amr.map((method) => sql`${method}::text`));
  return sql`array(select m from unnest(array[${added}]::text[]) with ordinality as a (m, place) where m <> all(sessions.amr) order by place)`;
}

// One that is live counts although it was not seen for long: a refresh that began before this commits is noted as seen only afterwards, and
// issues an access token all the same. One that has expired counts while the last token that it gave may be in date, whichever node signed it;
// the ten minutes are for clocks that disagree, and for a retry within the grace, which does not count as seen.
async function revokeOthers(tables: Kysely<Tables>, input: EndOthers, epoch: number) {
  const { userId, keptId, seenSince, now: revokeTime, expireTime } = input;
  const atOnce = sql`${date(revokeTime)}::timestamptz`;
  const keptUntil = expiryOfRevocation(atOnce, sql`${date(expireTime)}::timestamptz`);
  const { rows } = await sql<RevocationRow>`
    with ended as (
      update sessions set revoke_time = ${date(revokeTime)}
      where user_id = ${userId} and id <> ${keptId} and epoch = ${epoch} and revoke_time is null
      returning id, last_seen_time, expire_time)
    insert into revocations as r (form, target_id, min_version, revoke_time, expire_time)
    select 'session', id::text, 0, ${atOnce}, ${keptUntil}
    from ended
    where expire_time > ${atOnce}
      or last_seen_time > least(${date(seenSince)}::timestamptz, ${atOnce} - ${LONGEST_LIFETIME} - interval '10 minutes')
    on conflict (form, target_id) do update
    set expire_time = greatest(r.expire_time, excluded.expire_time), written_by = excluded.written_by
    returning ${REVOCATION_COLUMNS}`.execute(tables);
  return rows.map(toRevocation);
}
