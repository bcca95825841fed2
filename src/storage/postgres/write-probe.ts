// Finds out whether the database takes writes: our tables are read, one row is written and committed, and a little disk is taken and given back.

import type { Kysely } from 'kysely';
import { CompiledQuery } from 'kysely';
import type { Pool } from 'pg';
import type { DatabaseState } from '../../domain/health/readiness.ts';
import type { Tables } from './rows.ts';

/** How long the server may take for it, in milliseconds. */
const PROBE_TIMEOUT_MS = 2_000;

const READ = ['select 1 from revocations limit 0', 'select 1 from roles limit 0'];
// All nodes share the row. A node that finds it locked skips it: the other node's write proves the same, and neither waits.
const WRITE = [
  "insert into instance_facts (name, value) values ('write_probe', '') on conflict (name) do nothing",
  `with mine as materialized (select name from instance_facts where name = 'write_probe' for update skip locked)
   update instance_facts f set value = now()::text from mine where f.name = mine.name`,
];
// More rows than the memory takes that is given to them, so that they are written to a temporary file: a full disk refuses it, while it may still
// have space for one more row in a page that is there.
const TAKE_DISK = ["set local work_mem = '64kB'", 'select count(*) from generate_series(1, 10000)'];

/** One message, which is one transaction: it takes one round trip, and leaves no setting behind. */
const ON_SERVER = [`set local statement_timeout = ${PROBE_TIMEOUT_MS}`, ...READ, ...WRITE, ...TAKE_DISK].join(
  '; ',
);

/** Probes. Never rejects. `onFault` is called with the error behind any state but `up`. */
export type ProbeDatabase = (onFault: (error: unknown) => void) => Promise<DatabaseState>;

/** The write probe over the connections of a server. */
export function serverProbe(pool: Pool): ProbeDatabase {
  return (onFault) => stateAfter(() => pool.query(ON_SERVER), onFault);
}

/** The write probe of the embedded database. */
export function embeddedProbe(tables: Kysely<Tables>): ProbeDatabase {
  const probe = async () => {
    for (const text of [...READ, ...WRITE]) await tables.executeQuery(CompiledQuery.raw(text));
  };
  return (onFault) => stateAfter(probe, onFault);
}

async function stateAfter(
  probe: () => Promise<unknown>,
  onFault: (error: unknown) => void,
): Promise<DatabaseState> {
  try {
    await probe();
    return 'up';
  } catch (error) {
    const state = stateOf(error);
    if (state !== 'up') onFault(error);
    return state;
  }
}

// By SQLSTATE, PostgreSQL documentation, appendix A.
const STATES: ReadonlyArray<readonly [RegExp, DatabaseState]> = [
  // Temporary files are limited, by which the write before has succeeded.
  [/^53400/, 'up'],
  [/^25006/, 'read_only'],
  [/^53100/, 'full'],
  [/^42501/, 'forbidden'],
  [/^(?:42P01|42703|3F000|3D000)/, 'no_schema'],
  [/^(?:53300|53200)/, 'busy'],
  [/^(?:08|57P0|57014|55P03|25P0)/, 'down'],
];

function stateOf(error: unknown): DatabaseState {
  if (!(error instanceof Error)) return 'failing';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const known = STATES.find(([codes]) => codes.test(code));
  if (known !== undefined) return known[1];
  if (/timeout exceeded when trying to connect/i.test(error.message)) return 'busy';
  // Of the operating system and of the driver, which have no SQLSTATE.
  return /^E[A-Z]+$/.test(code) || /timeout|terminated|connection/i.test(error.message) ? 'down' : 'failing';
}
