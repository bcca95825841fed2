// Connections to a Postgres server, directly or through a pooler: time limits, names of prepared statements, and what is dropped.

import { Kysely, PostgresDialect } from 'kysely';
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type { ClientBase, PoolClient, QueryResultRow } from 'pg';
import { Client, Pool } from 'pg';
import type { Tables } from './rows.ts';
import type { RunStatement, Statement } from './statement.ts';
import { nameOf } from './statement.ts';

/**
 * How the server learns of the time limits: when a connection starts, or at the beginning of each transaction, which is what a pooler leaves
 * us.
 */
export type LimitsBy = 'connection' | 'transaction';

export type PoolPolicy = {
  readonly limitsBy: LimitsBy;
  readonly statementTimeoutMs: number;
  /** Whether statements may be prepared by name. */
  readonly isPrepared: boolean;
};

/** The settings that PgBouncer refuses when a connection starts, unless its configuration ignores them. */
export function startupLimits({ statementTimeoutMs }: Pick<PoolPolicy, 'statementTimeoutMs'>) {
  return {
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs * 2,
  };
}

/** Connects once and sees whether the limits arrive. Errors: the driver's, when the server cannot be reached or refuses the login. */
export async function findLimitsBy(url: string, statementTimeoutMs: number): Promise<LimitsBy> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: statementTimeoutMs,
    query_timeout: statementTimeoutMs,
    ...startupLimits({ statementTimeoutMs }),
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ setting: string }>(
      "select setting from pg_settings where name = 'statement_timeout'",
    );
    return rows[0]?.setting === String(statementTimeoutMs) ? 'connection' : 'transaction';
  } catch (error) {
    if (isRefusedParameter(error)) return 'transaction';
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

// PgBouncer's own words; SQLSTATE 08P01 alone says only that the protocol was broken.
function isRefusedParameter(error: unknown): boolean {
  return error instanceof Error && /unsupported startup parameter/i.test(error.message);
}

/** The query builder over a pool. A statement that has a name of its own is sent by it, inside transactions too. */
export function tablesOver(pool: Pool, policy: PoolPolicy): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool: policedPool(pool, policy) }) });
}

/** Sends single statements without the query builder. */
export function statementsOverPool(pool: Pool, { isPrepared }: PoolPolicy): RunStatement {
  return async <Row>({ name, text }: Statement<Row>, values: unknown[]) => {
    const query = isPrepared ? { name, text, values } : { text, values };
    const { rows, rowCount } = await pool.query<Row & QueryResultRow>(query);
    return { rows, affectedRows: rowCount ?? 0 };
  };
}

/** One connection beside those of `pool`, with the same options, for what must not wait behind anything else. */
export function reservedPool(pool: Pool): Pool {
  const reserved = new Pool({ ...pool.options, max: 1, application_name: 'latchkey reserved' });
  surviveLostConnections(reserved);
  dropUnfinishedConnections(reserved);
  return reserved;
}

/** Lets the pool outlive its connections: an error without a listener would end the process, and a pending statement fails by itself. */
export function surviveLostConnections(pool: Pool): void {
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
}

function policedPool(pool: Pool, policy: PoolPolicy): PostgresPool {
  // One for each connection, by which the query builder knows it again.
  const known = new WeakMap<PoolClient, PostgresPoolClient>();
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect();
      const policed = known.get(client) ?? policedClient(client, policy);
      known.set(client, policed);
      return policed;
    },
  };
}

function policedClient(client: PoolClient, policy: PoolPolicy): PostgresPoolClient {
  const limits = limitsOfTransaction(policy);
  const query = async <Row>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<Row>> => {
    const name = policy.isPrepared && values.length > 0 ? nameOf(text) : undefined;
    const sent = limits !== '' && beginsTransaction(text) ? text + limits : text;
    // Two statements in one message have two results; the first is that of `text`.
    const answer: unknown = await client.query({
      ...(name === undefined ? {} : { name }),
      text: sent,
      values: [...values],
    });
    return (Array.isArray(answer) ? answer[0] : answer) as PostgresQueryResult<Row>;
  };
  return { query: query as PostgresPoolClient['query'], release: () => client.release() };
}

function beginsTransaction(text: string): boolean {
  return text === 'begin' || text.startsWith('start transaction');
}

// In the same message as the beginning, so that they cost no round trip.
function limitsOfTransaction(policy: PoolPolicy): string {
  if (policy.limitsBy === 'connection') return '';
  return Object.entries(startupLimits(policy))
    .map(([name, value]) => `; set local ${name} = ${value}`)
    .join('');
}

/** What the driver's client knows of its own state; `readyForQuery` is not among its types. */
type ReleasedClient = ClientBase & { readonly readyForQuery?: boolean; end(): Promise<void> };

/**
 * Drops connections that come back unfinished. A statement that got no answer in time may leave its connection waiting for that answer, or
 * inside its transaction: the next user of the connection would wait too, or write into a transaction that is never committed.
 */
export function dropUnfinishedConnections(pool: Pool): void {
  pool.on('release', (_error, client: ReleasedClient) => {
    if (client.readyForQuery === true && client.getTransactionStatus() === 'I') return;
    client.end().catch(() => undefined);
  });
}
