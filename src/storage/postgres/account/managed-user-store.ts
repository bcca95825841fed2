// Accounts in Postgres, as administrators deal with them.

import type { Kysely, Updateable } from 'kysely';
import type { ManagedChange, ManagedUserStore } from '../../../domain/managed-user/managed-user-store.ts';
import { constraintOf, isUniqueViolation } from '../errors.ts';
import { profileColumns } from './profile-store.ts';
import { date } from '../row-values.ts';
import type { Tables } from '../rows.ts';
import { toUser } from './user-store.ts';

type Columns = Updateable<Tables['users']>;

/** The store over a connection or a transaction. */
export function managedUserStore(tables: Kysely<Tables>): ManagedUserStore {
  const living = (id: string) =>
    tables.selectFrom('users').selectAll().where('id', '=', id).where('status', '<>', 'deleted');
  const change = async (id: string, columns: Columns, now: number) => {
    const row = await tables
      .updateTable('users')
      .set({ ...columns, update_time: date(now) })
      .where('id', '=', id)
      .where('status', '<>', 'deleted')
      .returningAll()
      .executeTakeFirstOrThrow();
    return toUser(row);
  };
  return {
    async find(id) {
      const row = await living(id).executeTakeFirst();
      if (row === undefined) return undefined;
      return {
        user: toUser(row),
        externalId: row.external_id ?? undefined,
        hasPassword: row.password_hash !== null,
        suspensionReason: row.suspension_reason ?? undefined,
      };
    },

    async lock(id, mode) {
      const query = mode === 'for_update' ? living(id).forUpdate() : living(id).forShare();
      const row = await query.executeTakeFirst();
      return row && toUser(row);
    },

    async lockRole(name) {
      const row = await tables
        .selectFrom('roles')
        .select('name')
        .where('name', '=', name)
        .forKeyShare()
        .executeTakeFirst();
      return row !== undefined;
    },

    async update(id, changes, now) {
      try {
        const columns = changes.reduce<Columns>((all, one) => ({ ...all, ...columnsOf(one) }), {});
        return await change(id, columns, now);
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        return constraintOf(error) === 'users_username_key_key' ? 'username_taken' : 'email_taken';
      }
    },

    setRole: (id, role, now) => change(id, { role }, now),
    suspend: (id, reason, now) => change(id, { status: 'suspended', suspension_reason: reason }, now),
    reactivate: (id, now) => change(id, { status: 'active', suspension_reason: null }, now),
    turnOffMfa: (id, now) => change(id, { mfa_enabled: false }, now),
  };
}

function columnsOf(change: ManagedChange): Columns {
  switch (change.field) {
    case 'email':
      return { email: change.email.text, email_key: change.email.key };
    case 'email_verified':
      return { email_verified: change.emailVerified };
    default:
      return profileColumns(change);
  }
}
