// What is kept about an account, read from Postgres.

import type { Kysely, Selectable } from 'kysely';
import { sql } from 'kysely';
import type {
  AccountArchive,
  ArchivedApiKey,
  ArchivedEvent,
} from '../../../domain/account/account-archive.ts';
import { optionalTime, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';

type FactorsRow = {
  readonly confirm_time: string | null;
  readonly backup_codes: number;
  readonly known_devices: number;
};

/** The archive over a connection or a transaction. */
export function accountArchive(tables: Kysely<Tables>): AccountArchive {
  return {
    async apiKeysOf(userId, limit) {
      const rows = await tables
        .selectFrom('api_keys')
        .selectAll()
        .where('owner_id', '=', userId)
        .where('owner_kind', '=', 'user')
        .orderBy('create_time', 'desc')
        .orderBy('id', 'desc')
        .limit(limit)
        .execute();
      return rows.map(toApiKey);
    },

    async factorsOf(userId) {
      const { rows } = await sql<FactorsRow>`
        select (select confirm_time from totp_factors where user_id = ${userId}) as confirm_time,
          (select count(*)::int from backup_codes where user_id = ${userId}) as backup_codes,
          (select count(*)::int from known_devices where user_id = ${userId}) as known_devices`.execute(
        tables,
      );
      const [row] = rows;
      return {
        totpConfirmTime: optionalTime(row?.confirm_time ?? null),
        backupCodesLeft: row?.backup_codes ?? 0,
        knownDevices: row?.known_devices ?? 0,
      };
    },

    async eventsOf(accountId, limit) {
      const rows = await tables
        .selectFrom('audit_events')
        .selectAll()
        .where('account_id', '=', accountId)
        .orderBy('time', 'desc')
        .orderBy('id', 'desc')
        .limit(limit)
        .execute();
      return rows.map(toEvent);
    },
  };
}

function toApiKey(row: Selectable<Tables['api_keys']>): ArchivedApiKey {
  return {
    id: row.id,
    displayName: row.display_name,
    scopes: row.scopes,
    allowedCidrs: row.allowed_cidrs,
    createTime: time(row.create_time),
    expireTime: optionalTime(row.expire_time),
    revokeTime: optionalTime(row.revoke_time),
    lastUsedTime: optionalTime(row.last_used_time),
    useCount: Number(row.use_count),
  };
}

function toEvent(row: Selectable<Tables['audit_events']>): ArchivedEvent {
  return {
    id: row.id,
    time: time(row.time),
    kind: row.kind,
    outcome: row.outcome === 'success' ? 'success' : 'refused',
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.account_id === null ? {} : { accountId: row.account_id }),
    ...(row.actor_id === null ? {} : { actorId: row.actor_id }),
    ...(row.target_id === null ? {} : { targetId: row.target_id }),
    origin: { ipAddress: row.ip_address, userAgent: row.user_agent, requestId: row.request_id },
    ...(row.details === null ? {} : { details: row.details }),
  };
}
