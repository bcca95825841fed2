// Known devices in Postgres, by a fingerprint of what they say of themselves.

import { hash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { KnownDevices } from '../../domain/session/known-devices.ts';
import { date } from './row-values.ts';
import type { Tables } from './rows.ts';

/** The store over a connection or a transaction. */
export function knownDevices(tables: Kysely<Tables>): KnownDevices {
  return {
    async note({ userId, deviceName, userAgent, now }) {
      const fingerprint = hash('sha256', `${deviceName}\n${userAgent}`, 'buffer');
      const { rows } = await sql<{ readonly is_new: boolean; readonly has_others: boolean }>`
        insert into known_devices (user_id, fingerprint, last_seen_time) values (${userId}, ${fingerprint}, ${date(now)})
        on conflict (user_id, fingerprint) do update set last_seen_time = excluded.last_seen_time
        returning xmax = 0 as is_new,
          exists (select 1 from known_devices o where o.user_id = ${userId}) as has_others`.execute(tables);
      const [row] = rows;
      if (row?.is_new !== true) return 'known';
      return row.has_others ? 'another' : 'first';
    },

    async forgetAll(userId) {
      await tables.deleteFrom('known_devices').where('user_id', '=', userId).execute();
    },
  };
}
