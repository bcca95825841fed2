// Roles, and facts about the installation as a whole, in Postgres.

import type { Kysely } from 'kysely';
import type { RoleStore } from '../../../domain/access/role.ts';
import type { InstanceStore } from '../../../domain/instance/instance-store.ts';
import type { Tables } from '../rows.ts';

const BOOTSTRAPPED = 'bootstrapped';

/** The store over a connection or a transaction. */
export function instanceStore(tables: Kysely<Tables>): InstanceStore {
  const insertFact = async (name: string, value: string) => {
    const inserted = await tables
      .insertInto('instance_facts')
      .values({ name, value })
      .onConflict((conflict) => conflict.doNothing())
      .returning('name')
      .executeTakeFirst();
    return inserted !== undefined;
  };
  return {
    async isBootstrapped() {
      const row = await tables
        .selectFrom('instance_facts')
        .select('name')
        .where('name', '=', BOOTSTRAPPED)
        .executeTakeFirst();
      return row !== undefined;
    },
    markBootstrapped: (now) => insertFact(BOOTSTRAPPED, new Date(now).toISOString()),
    async listFacts() {
      const rows = await tables.selectFrom('instance_facts').selectAll().execute();
      return new Map(rows.map(({ name, value }) => [name, value]));
    },
    insertFact,
    async replaceFact(name, expected, value) {
      const { numUpdatedRows } = await tables
        .updateTable('instance_facts')
        .set({ value })
        .where('name', '=', name)
        .where('value', '=', expected)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    async removeFact(name, expected) {
      const { numDeletedRows } = await tables
        .deleteFrom('instance_facts')
        .where('name', '=', name)
        .where('value', '=', expected)
        .executeTakeFirst();
      return numDeletedRows === 1n;
    },
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
