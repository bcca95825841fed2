// What is kept sealed, in Postgres: read in steps, and replaced where it is still what was read.

import type { Kysely, RawBuilder } from 'kysely';
import { sql } from 'kysely';
import { SECRET_PREFIX } from '../../../domain/instance/instance-store.ts';
import type { SealedKind, SealedValue, SealedValueStore } from '../../../domain/instance/sealed-values.ts';
import type { Tables } from '../rows.ts';

/** Where the values of a kind are: SQL for the column that names them, by which an index orders them, and for the sealed bytes. */
type Place = {
  readonly table: RawBuilder<unknown>;
  readonly only: RawBuilder<unknown>;
  readonly id: RawBuilder<unknown>;
  readonly idType: RawBuilder<unknown>;
  readonly sealed: RawBuilder<unknown>;
  /** Sets the bytes of `v.resealed`. */
  readonly set: RawBuilder<unknown>;
};

const PLACES: Readonly<Record<SealedKind, Place>> = {
  totp_secrets: {
    table: sql`totp_factors`,
    only: sql`true`,
    id: sql`t.user_id`,
    idType: sql`uuid`,
    sealed: sql`t.sealed_secret`,
    set: sql`sealed_secret = v.resealed`,
  },
  signing_keys: {
    table: sql`signing_keys`,
    only: sql`true`,
    id: sql`t.kid`,
    idType: sql`text`,
    sealed: sql`t.sealed_private_key`,
    set: sql`sealed_private_key = v.resealed`,
  },
  instance_secrets: {
    table: sql`instance_facts`,
    only: sql`starts_with(t.name, ${SECRET_PREFIX})`,
    id: sql`t.name`,
    idType: sql`text`,
    sealed: sql`decode(t.value, 'base64')`,
    set: sql`value = replace(encode(v.resealed, 'base64'), chr(10), '')`,
  },
};

/** The store over a connection or a transaction. */
export function sealedValueStore(tables: Kysely<Tables>): SealedValueStore {
  return {
    async count(kind) {
      const { table, only } = PLACES[kind];
      const { rows } = await sql<{ readonly count: number }>`
        select count(*)::int as count from ${table} t where ${only}`.execute(tables);
      return rows[0]?.count ?? 0;
    },

    async list(kind, after, limit) {
      const { table, only, id, idType, sealed } = PLACES[kind];
      const behind = after === undefined ? sql`true` : sql`${id} > ${after}::${idType}`;
      const { rows } = await sql<SealedValue>`
        select ${id} as id, ${sealed} as sealed from ${table} t
        where ${only} and ${behind}
        order by ${id} limit ${limit}`.execute(tables);
      return rows;
    },

    async replace(kind, values) {
      const { table, only, id, idType, sealed, set } = PLACES[kind];
      const { numAffectedRows } = await sql`
        update ${table} t set ${set}
        from unnest(${values.map((value) => value.id)}::${idType}[],
          ${values.map((value) => Buffer.from(value.sealed))}::bytea[],
          ${values.map((value) => Buffer.from(value.resealed))}::bytea[]) as v (id, sealed, resealed)
        where ${only} and ${id} = v.id and ${sealed} = v.sealed`.execute(tables);
      return Number(numAffectedRows ?? 0n);
    },
  };
}
