// Accounts in Postgres.

import type { Kysely, Selectable } from 'kysely';
import { sql } from 'kysely';
import type { NewUser, UserStore } from '../../../domain/account/user-store.ts';
import type { User, UserStatus, UserWithPassword } from '../../../domain/account/user.ts';
import { date, optionalTime, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';
import type { RunStatement, Statement } from '../statement.ts';

/** A row of `users`. */
export type UserRow = Selectable<Tables['users']>;

/** The columns of UserRow. */
export const COLUMNS = `id, email, email_key, username, username_key, full_name, password_hash, role, status, email_verified, mfa_enabled, token_version,
  session_epoch, external_id, suspension_reason, create_time, update_time, last_login_time`;

// Where there is no such account, some other row is read in its place: to find nothing would take less time (CWE-208).
const findBy = (column: 'email_key' | 'username_key'): Statement<UserRow> => ({
  name: `user_find_by_${column}`,
  text: `
    with found as materialized (select ${COLUMNS} from users where ${column} = $1 and status <> 'deleted')
    select ${COLUMNS} from found
    union all (select ${COLUMNS} from users where not exists (select from found) order by id limit 1)`,
});
const FIND_BY = { email_key: findBy('email_key'), username_key: findBy('username_key') };

const MARK_LOGIN: Statement<UserRow> = {
  name: 'user_mark_login',
  text: `
    update users
    set last_login_time = case when mfa_enabled then last_login_time else $4::timestamptz end, password_hash = $3
    where id = $1 and status = 'active' and password_hash = $2
    returning ${COLUMNS}`,
};

const STATUSES: readonly UserStatus[] = ['active', 'suspended', 'deleted'];

/** The account of a row. An unknown status counts as suspended (fail closed). */
export function toUser(
  row: Omit<UserRow, 'email_key' | 'username_key' | 'password_hash' | 'external_id' | 'suspension_reason'>,
): User {
  return {
    id: row.id,
    email: row.email,
    username: row.username ?? undefined,
    fullName: row.full_name,
    role: row.role,
    status: STATUSES.find((status) => status === row.status) ?? 'suspended',
    emailVerified: row.email_verified,
    mfaEnabled: row.mfa_enabled,
    tokenVersion: row.token_version,
    sessionEpoch: row.session_epoch,
    createTime: time(row.create_time),
    updateTime: time(row.update_time),
    lastLoginTime: optionalTime(row.last_login_time),
  };
}

/**
 * One statement whatever is taken, so that its time reveals nothing (CWE-208). `try_again` when what was in the way came with another call
 * meanwhile: the next look sees it.
 */
async function tryInsert(tables: Kysely<Tables>, user: NewUser) {
  const row = await tables
    .with('inserted', (query) =>
      query
        .insertInto('users')
        .values(newRow(user))
        .onConflict((conflict) => conflict.doNothing())
        .returning('id'),
    )
    .selectNoFrom((query) => [
      query.exists(query.selectFrom('inserted').select('id')).as('is_inserted'),
      query
        .exists(
          query
            .selectFrom('users')
            .select('id')
            .where('username_key', '=', user.username?.key ?? null),
        )
        .as('has_namesake'),
      query
        .exists(query.selectFrom('users').select('id').where('email_key', '=', user.email.key))
        .as('has_mailbox'),
    ])
    .executeTakeFirstOrThrow();
  if (row.is_inserted === true) return 'inserted';
  if (row.has_namesake === true) return 'username_taken';
  return row.has_mailbox === true ? 'email_taken' : 'try_again';
}

function newRow(user: NewUser) {
  return {
    id: user.id,
    email: user.email.text,
    email_key: user.email.key,
    username: user.username?.text ?? null,
    username_key: user.username?.key ?? null,
    full_name: user.fullName,
    password_hash: user.passwordHash ?? null,
    role: user.role,
    status: 'active',
    email_verified: user.emailVerified,
    mfa_enabled: false,
    token_version: 1,
    session_epoch: 1,
    create_time: date(user.createTime),
    update_time: date(user.createTime),
    last_login_time: null,
  };
}

function toUserWithPassword(row: UserRow): UserWithPassword {
  return { ...toUser(row), passwordHash: row.password_hash ?? undefined };
}

function findRow(tables: Kysely<Tables>, id: string) {
  return tables
    .selectFrom('users')
    .selectAll()
    .where('id', '=', id)
    .where('status', '<>', 'deleted')
    .executeTakeFirst();
}

/** The store over a connection or a transaction. */
export function userStore(tables: Kysely<Tables>, run: RunStatement): UserStore {
  return {
    async insert(user) {
      for (;;) {
        const outcome = await tryInsert(tables, user);
        if (outcome !== 'try_again') return outcome;
      }
    },

    async findById(id) {
      const row = await findRow(tables, id);
      return row === undefined ? undefined : toUser(row);
    },

    async findWithPassword(id) {
      const row = await findRow(tables, id);
      return row === undefined ? undefined : toUserWithPassword(row);
    },

    async findByIdentifier(key) {
      const column = key.includes('@') ? 'email_key' : 'username_key';
      const { rows } = await run(FIND_BY[column], [key]);
      const [row] = rows;
      const user = row === undefined ? undefined : toUserWithPassword(row);
      return row?.[column] === key && row.status !== 'deleted' ? user : undefined;
    },

    async markLogin(mark) {
      const { userId, checkedHash, newHash, now } = mark;
      const { rows } = await run(MARK_LOGIN, [userId, checkedHash, newHash ?? checkedHash, date(now)]);
      const [row] = rows;
      return row === undefined ? undefined : toUser(row);
    },

    async markSecondFactor(userId, now) {
      const row = await tables
        .updateTable('users')
        .set({ last_login_time: date(now) })
        .where('id', '=', userId)
        .where('status', '=', 'active')
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : toUser(row);
    },

    async setMfaEnabled(userId, enabled, now) {
      const row = await tables
        .updateTable('users')
        .set({ mfa_enabled: enabled, update_time: date(now) })
        .where('id', '=', userId)
        .where('status', '=', 'active')
        .where('mfa_enabled', '=', !enabled)
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : toUser(row);
    },

    async raiseEpochs(userId, now) {
      const row = await tables
        .updateTable('users')
        .set({
          token_version: sql`token_version + 1`,
          session_epoch: sql`session_epoch + 1`,
          update_time: date(now),
        })
        .where('id', '=', userId)
        .returning('token_version')
        .executeTakeFirst();
      return row?.token_version;
    },
  };
}
