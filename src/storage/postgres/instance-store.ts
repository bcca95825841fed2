// Roles, and facts about the installation as a whole, in Postgres.

import type { Kysely } from 'kysely';
import type { RoleStore } from '../../domain/access/role.ts';
import type { InstanceStore } from '../../domain/instance/instance-store.ts';
import type { Tables } from './rows.ts';

const BOOTSTRAPPED = 'bootstrapped';
const MASTER_KEY_CHECK = 'master_key_check';

/** The store over a connection or a transaction. */
export function instanceStore(tables: Kysely<Tables>): InstanceStore {
  const find = async (name: string) => {
    const row = await tables
      .selectFrom('instance_facts')
      .select('value')
      .where('name', '=', name)
      .executeTakeFirst();
    return row?.value;
  };
  const insert = async (name: string, value: string) => {
    const inserted = await tables
      .insertInto('instance_facts')
      .values({ name, value })
      .onConflict((conflict) => conflict.doNothing())
      .returning('name')
      .executeTakeFirst();
    return inserted !== undefined;
  };
  return {
    isBootstrapped: async () => (await find(BOOTSTRAPPED)) !== undefined,
    markBootstrapped: (now) => insert(BOOTSTRAPPED, new Date(now).toISOString()),
    findMasterKeyCheck: () => find(MASTER_KEY_CHECK),
    insertMasterKeyCheck: (sealed) => insert(MASTER_KEY_CHECK, sealed),
  };
}

/** The store over a connection or a transaction. */
export function roleStore(tables: Kysely<Tables>): RoleStore {
  return {
    async list() {
      const rows = await tables.selectFrom('roles').selectAll().execute();
      return rows.map((row) => ({ name: row.name, inherits: row.inherits ?? undefined, scopes: row.scopes }));
    },
  };
}
