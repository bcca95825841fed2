// Ends the API keys that other keys made, and those that these made, in Postgres.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Revocation } from '../../../domain/revocation/revocation.ts';
import type { RevocationRow } from '../session/revocation-store.ts';
import { REVOCATION_COLUMNS, toRevocation } from '../session/revocation-store.ts';
import { date } from '../row-values.ts';
import { expiryOfRevocation } from '../session/token-lifetime-store.ts';
import type { Tables } from '../rows.ts';

/**
 * See ApiKeyStore.endMadeBy. A transaction that makes a key locks the key that makes it, and so waits for this transaction once that key is ended here: so it is
 * repeated until a look finds no other.
 */
export async function endMadeBy(
  tables: Kysely<Tables>,
  ids: readonly string[],
  now: number,
  expireTime: number,
): Promise<readonly Revocation[]> {
  const ended: Revocation[] = [];
  for (;;) {
    const round = await endRound(tables, ids, now, expireTime);
    if (round.length === 0) return ended;
    ended.push(...round);
  }
}

// The rows are locked in the order in which uses are added to them, so that the two never hold what the other waits for.
async function endRound(
  tables: Kysely<Tables>,
  ids: readonly string[],
  now: number,
  expireTime: number,
): Promise<readonly Revocation[]> {
  const keptUntil = expiryOfRevocation(sql`${date(now)}::timestamptz`, sql`${date(expireTime)}::timestamptz`);
  const { rows } = await sql<RevocationRow>`
    with recursive made (id) as (
      select id from unnest(${ids}::uuid[]) as roots (id)
      union
      select k.id from api_keys k join made m on k.made_by = m.id),
    locked as materialized (
      select k.id from api_keys k
      where k.id in (select id from made) and k.id <> all (${ids}::uuid[]) and k.revoke_time is null order by k.id for update),
    ended as (
      update api_keys k set revoke_time = ${date(now)} from locked h where k.id = h.id returning k.id)
    insert into revocations as r (form, target_id, min_version, revoke_time, expire_time)
    select 'session', id::text, 0, ${date(now)}::timestamptz, ${keptUntil} from ended
    on conflict (form, target_id) do update
    set expire_time = greatest(r.expire_time, excluded.expire_time), effect_time = null, written_by = excluded.written_by
    returning ${REVOCATION_COLUMNS}`.execute(tables);
  return rows.map(toRevocation);
}
