// Signing keys in Postgres; private halves are sealed before they get here.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { SigningAlgorithm, SigningKeyStore } from '../../../domain/keyset/signing-key.ts';
import { date, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';

const ALGORITHMS: readonly SigningAlgorithm[] = ['ES256', 'EdDSA', 'RS256'];
const ROTATION_LOCK = 0x1a7c_4e20;

/** The store over a connection or a transaction. */
export function signingKeyStore(tables: Kysely<Tables>): SigningKeyStore {
  return {
    async list() {
      const rows = await tables.selectFrom('signing_keys').selectAll().orderBy('activate_time').execute();
      return rows.map((row) => ({
        kid: row.kid,
        algorithm: knownAlgorithm(row.algorithm),
        publicJwk: { ...row.public_jwk, kid: row.kid, kty: row.public_jwk['kty'] ?? '' },
        sealedPrivateKey: row.sealed_private_key,
        createTime: time(row.create_time),
        activateTime: time(row.activate_time),
      }));
    },
    async schedule() {
      const rows = await tables.selectFrom('signing_keys').select(['kid', 'activate_time']).execute();
      return rows.map((row) => ({ kid: row.kid, activateTime: time(row.activate_time) }));
    },
    async insert(key) {
      await sql`
        insert into signing_keys (kid, algorithm, public_jwk, sealed_private_key, create_time, activate_time)
        values (${key.kid}, ${key.algorithm}, ${JSON.stringify(key.publicJwk)}::text::jsonb, ${Buffer.from(key.sealedPrivateKey)},
          ${date(key.createTime)}, ${date(key.activateTime)})`.execute(tables);
    },
    async setActivateTime(kid, activateTime) {
      await tables
        .updateTable('signing_keys')
        .set({ activate_time: date(activateTime) })
        .where('kid', '=', kid)
        .execute();
    },
    async delete(kid) {
      await tables.deleteFrom('signing_keys').where('kid', '=', kid).execute();
    },
    async lock() {
      await sql`select pg_advisory_xact_lock(${ROTATION_LOCK})`.execute(tables);
    },
  };
}

function knownAlgorithm(name: string): SigningAlgorithm {
  const algorithm = ALGORITHMS.find((candidate) => candidate === name);
  if (algorithm === undefined) throw new Error(`a signing key has the unknown algorithm ${name}`);
  return algorithm;
}
