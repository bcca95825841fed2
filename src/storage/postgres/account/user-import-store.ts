// Imported accounts in Postgres: a whole batch in one statement, and one more for those in whose way something stood.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import type { CheckedUser } from '../../../domain/user-import/imported-user.ts';
import type {
  ImportFate,
  NewImportedUser,
  Obstacles,
  UserImportStore,
} from '../../../domain/user-import/user-import-store.ts';
import type { Tables } from '../rows.ts';

/** Why an imported account is suspended. */
const SUSPENSION_REASON = 'imported';

/** The store over a connection or a transaction. */
export function userImportStore(tables: Kysely<Tables>): UserImportStore {
  return {
    async insertAll(users, now) {
      const fates = new Map<NewImportedUser, ImportFate>();
      for (let open = users; open.length > 0; open = open.filter((user) => !fates.has(user))) {
        const firsts = withoutRivals(open);
        const inserted = await insertMany(tables, firsts, now);
        for (const user of firsts) if (inserted.has(user.id)) fates.set(user, { fate: 'created' });
        const left = open.filter((user) => !fates.has(user));
        const found = left.length === 0 ? [] : await lookUp(tables, left);
        // Where nothing stands in the way any more, what did is gone meanwhile, or was a rival in this batch: it has another turn.
        for (const [index, user] of left.entries()) {
          const fate = fateBy(found[index]);
          if (fate !== undefined) fates.set(user, fate);
        }
      }
      return users.flatMap((user) => fates.get(user) ?? []);
    },

    async findObstacles(users) {
      return users.length === 0 ? [] : lookUp(tables, users);
    },
  };
}

/** Those that share no name with one before them. */
function withoutRivals(users: readonly NewImportedUser[]): readonly NewImportedUser[] {
  const [ids, emails, usernames] = [new Set<string>(), new Set<string>(), new Set<string>()];
  return users.filter(({ externalId, email, username }) => {
    const isFirst =
      !ids.has(externalId) &&
      !emails.has(email.key) &&
      !(username !== undefined && usernames.has(username.key));
    ids.add(externalId);
    emails.add(email.key);
    if (username !== undefined) usernames.add(username.key);
    return isFirst;
  });
}

// In the order of their external ids, so that a concurrent import of the same accounts waits for this one and neither deadlocks. Roles are locked
// while it lasts: one that is deleted meanwhile would fail the whole batch.
async function insertMany(
  tables: Kysely<Tables>,
  users: readonly NewImportedUser[],
  now: number,
): Promise<ReadonlySet<string>> {
  const column = <Value>(value: (user: NewImportedUser) => Value) => users.map(value);
  const roles = [...new Set(column((user) => user.role))];
  const { rows } = await sql<{ readonly id: string }>`
    with known as materialized (select name from roles where name = any(${roles}::text[]) for key share)
    insert into users (id, external_id, email, email_key, username, username_key, full_name, password_hash, role, status,
      suspension_reason, email_verified, mfa_enabled, token_version, session_epoch, create_time, update_time, last_login_time)
    select id, external_id, email, email_key, username, username_key, full_name, password_hash, role,
      case when suspended then 'suspended' else 'active' end, case when suspended then ${SUSPENSION_REASON} end,
      email_verified, false, 1, 1, to_timestamp(create_time / 1000.0), to_timestamp(${now}::float8 / 1000.0),
      to_timestamp(last_login_time / 1000.0)
    from unnest(
      ${column((user) => user.id)}::uuid[],
      ${column((user) => user.externalId)}::text[],
      ${column((user) => user.email.text)}::text[],
      ${column((user) => user.email.key)}::text[],
      ${column((user) => user.username?.text ?? null)}::text[],
      ${column((user) => user.username?.key ?? null)}::text[],
      ${column((user) => user.fullName)}::text[],
      ${column((user) => user.passwordHash ?? null)}::text[],
      ${column((user) => user.role)}::text[],
      ${column((user) => user.suspended)}::boolean[],
      ${column((user) => user.emailVerified)}::boolean[],
      ${column((user) => user.createTime)}::float8[],
      ${column((user) => user.lastLoginTime ?? null)}::float8[]
    ) as given (id, external_id, email, email_key, username, username_key, full_name, password_hash, role, suspended,
      email_verified, create_time, last_login_time)
    where role in (select name from known)
    order by external_id collate "C"
    on conflict do nothing
    returning id`.execute(tables);
  return new Set(rows.map(({ id }) => id));
}

type Found = Obstacles & { readonly roleExists: boolean };

async function lookUp(tables: Kysely<Tables>, users: readonly CheckedUser[]): Promise<readonly Found[]> {
  const { rows } = await sql<{
    readonly id: string | null;
    readonly email_taken: boolean;
    readonly username_taken: boolean;
    readonly role_exists: boolean;
  }>`
    select
      (select id from users where external_id = given.external_id) as id,
      exists (select from users where email_key = given.email_key) as email_taken,
      exists (select from users where username_key = given.username_key) as username_taken,
      exists (select from roles where name = given.role) as role_exists
    from unnest(
      ${users.map((user) => user.externalId)}::text[],
      ${users.map((user) => user.email.key)}::text[],
      ${users.map((user) => user.username?.key ?? null)}::text[],
      ${users.map((user) => user.role)}::text[]
    ) with ordinality as given (external_id, email_key, username_key, role, place)
    order by place`.execute(tables);
  return rows.map((row) => ({
    userId: row.id ?? undefined,
    emailTaken: row.email_taken,
    usernameTaken: row.username_taken,
    roleExists: row.role_exists,
  }));
}

function fateBy(found: Found | undefined): ImportFate | undefined {
  if (found === undefined) return undefined;
  const { userId, emailTaken, usernameTaken, roleExists } = found;
  if (userId !== undefined) return { fate: 'unchanged', userId };
  if (emailTaken || usernameTaken) return { fate: 'taken', emailTaken, usernameTaken };
  return roleExists ? undefined : { fate: 'role_not_found' };
}
