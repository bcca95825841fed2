// Roles in Postgres, as operators deal with them.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { RoleEditor, StoredRole } from '../../../domain/access/role-store.ts';
import type { Tables } from '../rows.ts';
import { statsStore } from '../audit/stats-store.ts';

/** What a deleted account has in the place of a role that goes. */
const ROLE_OF_THE_DELETED = 'user';

/** The editor over a connection or a transaction. */
export function roleEditor(tables: Kysely<Tables>): RoleEditor {
  const stats = statsStore(tables);
  const list = async (): Promise<readonly StoredRole[]> => {
    const rows = await tables.selectFrom('roles').selectAll().execute();
    return rows.map((row) => ({
      name: row.name,
      inherits: row.inherits ?? undefined,
      scopes: row.scopes,
      builtIn: row.built_in,
    }));
  };
  return {
    list,

    // Blocks only other editors: accounts get roles, and calls read them, meanwhile.
    async lockAll() {
      await sql`lock table roles in share row exclusive mode`.execute(tables);
      return list();
    },

    countUsers: () => stats.usersByRole(),

    // A transaction that grants the role to an account locks its row (the foreign key): this waits for it, and later ones wait for this.
    async lockUsersOf(name) {
      await tables.selectFrom('roles').select('name').where('name', '=', name).forUpdate().execute();
      return (await stats.usersByRole()).get(name) ?? 0;
    },

    async upsert({ name, inherits = null, scopes }) {
      const values = { inherits, scopes: [...scopes] };
      await tables
        .insertInto('roles')
        .values({ name, ...values, built_in: false })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
        .execute();
    },

    // A deleted account can do nothing, so its role says nothing: what it had is in the audit log. A column that may be null would have every
    // reader of accounts deal with one that is never seen.
    async delete(name) {
      await tables
        .updateTable('users')
        .set({ role: ROLE_OF_THE_DELETED })
        .where('role', '=', name)
        .where('status', '=', 'deleted')
        .execute();
      await tables.deleteFrom('roles').where('name', '=', name).execute();
    },
  };
}
