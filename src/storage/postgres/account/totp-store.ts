// Second factors in Postgres: what takes a code away is one conditional statement.

import type { Kysely, Selectable } from 'kysely';
import { sql } from 'kysely';
import type { TotpStore } from '../../../domain/mfa/totp-store.ts';
import type { TotpFactor } from '../../../domain/mfa/totp.ts';
import { date, optionalTime, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';

function toFactor(row: Selectable<Tables['totp_factors']>): TotpFactor {
  return {
    userId: row.user_id,
    enrolment: row.enrolment,
    sealedSecret: row.sealed_secret,
    confirmTime: optionalTime(row.confirm_time),
    createTime: time(row.create_time),
    lastUsedStep: Number(row.last_used_step),
  };
}

/** The store over a connection or a transaction. */
export function totpStore(tables: Kysely<Tables>): TotpStore {
  const thisFactor = ({ userId, enrolment }: TotpFactor) =>
    tables.updateTable('totp_factors').where('user_id', '=', userId).where('enrolment', '=', enrolment);

  return {
    async find(userId) {
      const row = await tables
        .selectFrom('totp_factors')
        .selectAll()
        .where('user_id', '=', userId)
        .executeTakeFirst();
      return row === undefined ? undefined : toFactor(row);
    },

    async insertPending({ userId, sealedSecret, createTime }) {
      const { rows } = await sql`
        insert into totp_factors as f (user_id, enrolment, sealed_secret, create_time)
        values (${userId}, gen_random_uuid(), ${Buffer.from(sealedSecret)}, ${date(createTime)})
        on conflict (user_id) do update set enrolment = excluded.enrolment, sealed_secret = excluded.sealed_secret, create_time = excluded.create_time
        where f.confirm_time is null
        returning user_id`.execute(tables);
      return rows.length === 1;
    },

    async confirm(factor, step, now) {
      const { numUpdatedRows } = await thisFactor(factor)
        .set({ confirm_time: date(now), last_used_step: String(step) })
        .where('confirm_time', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },

    async useStep(factor, step) {
      const { numUpdatedRows } = await thisFactor(factor)
        .set({ last_used_step: String(step) })
        .where('confirm_time', 'is not', null)
        .where('last_used_step', '<', String(step))
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },

    async remove(userId) {
      await tables.deleteFrom('totp_factors').where('user_id', '=', userId).execute();
      await tables.deleteFrom('backup_codes').where('user_id', '=', userId).execute();
    },

    async replaceBackupCodes(userId, digests) {
      // Locked until the transaction ends, so that of two replacements at once the later leaves its codes alone.
      const factor = await tables
        .selectFrom('totp_factors')
        .select('user_id')
        .where('user_id', '=', userId)
        .where('confirm_time', 'is not', null)
        .forUpdate()
        .executeTakeFirst();
      if (factor === undefined) return false;
      await tables.deleteFrom('backup_codes').where('user_id', '=', userId).execute();
      const rows = digests.map((digest) => ({
        user_id: userId,
        digest: Buffer.from(digest),
        use_time: null,
      }));
      await tables.insertInto('backup_codes').values(rows).execute();
      return true;
    },

    async findBackupCode(userId, digest) {
      const row = await tables
        .selectFrom('backup_codes')
        .select('use_time')
        .where('user_id', '=', userId)
        .where('digest', '=', Buffer.from(digest))
        .executeTakeFirst();
      if (row === undefined) return undefined;
      return row.use_time === null ? 'unused' : 'used';
    },

    // Kept after its use: who sends it again has not guessed, and must not lock the owner out.
    async useBackupCode(userId, digest, now) {
      const { numUpdatedRows } = await tables
        .updateTable('backup_codes')
        .set({ use_time: date(now) })
        .where('user_id', '=', userId)
        .where('digest', '=', Buffer.from(digest))
        .where('use_time', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
  };
}
