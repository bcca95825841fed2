// Gives the role that the service runs as what it needs, and nothing more: it can add to the audit log and not change it.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Tables } from '../rows.ts';
import { ROWS } from '../rows.ts';

const EVERYTHING = ['select', 'insert', 'update', 'delete'];

/** Tables that the service does not use as it likes. */
const LIMITED: Readonly<Record<string, readonly string[]>> = {
  audit_events: ['select', 'insert'],
  audit_seals: ['select', 'insert'],
  audit_retirements: ['select'],
  audit_queue: ['select', 'insert', 'delete'],
  audit_counts: ['select', 'insert', 'update'],
  audit_day_counts: ['select', 'insert', 'update'],
  user_counts: ['select', 'insert', 'delete'],
  schema_migrations: ['select'],
  access_token_lifetimes: ['select', 'insert', 'update', 'delete'],
};

const FUNCTIONS = ['audit_extend(timestamptz)', 'audit_retire(timestamptz, uuid)'];

type RoleRow = {
  readonly schema: string;
  readonly is_there: boolean;
  readonly is_mighty: boolean | null;
  readonly may_create: boolean | null;
};

/** A role that cannot be kept from changing the audit log, or is not there. */
export class UnfitRoleError extends Error {
  override readonly name = 'UnfitRoleError';
}

/**
 * Grants the rights and takes back any others on our tables and partitions, in one transaction; to be run by the owner, again after each
 * migration. Errors: UnfitRoleError, the driver's.
 */
export async function grantService(tables: Kysely<Tables>, role: string): Promise<void> {
  await tables.transaction().execute(async (owner) => {
    const schema = await requireFit(owner, role);
    const names = new Set([...ROWS.map((row) => row.meta.tableName), ...Object.keys(LIMITED)]);
    await sql`grant usage on schema ${sql.id(schema)} to ${sql.id(role)}`.execute(owner);
    for (const name of await partitions(owner))
      await sql`revoke all on ${sql.id(schema, name)} from ${sql.id(role)}`.execute(owner);
    for (const name of names) {
      const rights = sql.raw((LIMITED[name] ?? EVERYTHING).join(', '));
      await sql`revoke all on ${sql.id(schema, name)} from ${sql.id(role)}`.execute(owner);
      await sql`grant ${rights} on ${sql.id(schema, name)} to ${sql.id(role)}`.execute(owner);
    }
    for (const signature of FUNCTIONS)
      await sql`grant execute on function ${sql.id(schema)}.${sql.raw(signature)} to ${sql.id(role)}`.execute(
        owner,
      );
  });
}

/** Resolves to the schema of our tables. */
async function requireFit(owner: Kysely<Tables>, role: string): Promise<string> {
  const { rows } = await sql<RoleRow>`
    select c.relnamespace::regnamespace::name::text as schema, r.oid is not null as is_there,
      r.rolsuper or r.rolcreaterole or pg_has_role(r.oid, c.relowner, 'member')
        or pg_has_role(r.oid, d.datdba, 'member') as is_mighty,
      has_schema_privilege(r.oid, c.relnamespace, 'create') as may_create
    from pg_class c
    join pg_database d on d.datname = current_database()
    left join pg_roles r on r.rolname = ${role}
    where c.oid = 'audit_events'::regclass`.execute(owner);
  const [row] = rows;
  if (row === undefined || !row.is_there) throw new UnfitRoleError(`there is no role ${role}`);
  if (row.is_mighty === true)
    throw new UnfitRoleError(
      `${role} owns the tables, or may become a role that does: the service needs a role without such power`,
    );
  // What it creates there could stand in the place of what the owner's functions call.
  if (row.may_create === true)
    throw new UnfitRoleError(
      `${role} may create things in the schema ${row.schema}; run: revoke create on schema ${row.schema} from public, ${role}`,
    );
  return row.schema;
}

async function partitions(owner: Kysely<Tables>): Promise<readonly string[]> {
  const { rows } = await sql<{ readonly name: string }>`
    select c.relname::text as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'audit_events'::regclass`.execute(owner);
  return rows.map(({ name }) => name);
}
