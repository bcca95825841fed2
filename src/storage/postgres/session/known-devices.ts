// Known devices in Postgres, by a fingerprint of what they say of themselves.

import { hash } from 'node:crypto';
import type { KnownDevices } from '../../../domain/session/known-devices.ts';
import { date } from '../row-values.ts';
import type { RunStatement, Statement } from '../statement.ts';

const NOTE: Statement<{ readonly is_new: boolean; readonly has_others: boolean }> = {
  name: 'known_device_note',
  text: `
    insert into known_devices (user_id, fingerprint, last_seen_time) values ($1, $2, $3)
    on conflict (user_id, fingerprint) do update set last_seen_time = excluded.last_seen_time
    returning xmax = 0 as is_new, exists (select 1 from known_devices o where o.user_id = $1) as has_others`,
};

const DELETE_ALL: Statement<never> = {
  name: 'known_device_delete_all',
  text: 'delete from known_devices where user_id = $1',
};

/** The store over a connection or a transaction. */
export function knownDevices(run: RunStatement): KnownDevices {
  return {
    async note({ userId, deviceName, userAgent, now }) {
      const fingerprint = hash('sha256', `${deviceName}\n${userAgent}`, 'buffer');
      const { rows } = await run(NOTE, [userId, fingerprint, date(now)]);
      const [row] = rows;
      if (row?.is_new !== true) return 'known';
      return row.has_others ? 'another' : 'first';
    },

    async deleteAll(userId) {
      await run(DELETE_ALL, [userId]);
    },
  };
}
