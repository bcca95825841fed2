// Hot statements: sent as they stand, by name, so that the server parses and plans each once on a connection.

import type { Kysely } from 'kysely';
import { CompiledQuery } from 'kysely';
import type { Tables } from './rows.ts';

/**
 * A statement with a name of its own. It names its columns: a prepared `*` breaks when a migration adds one. `row` is never there; it carries
 * the type of a row.
 */
export type Statement<Row> = { readonly name: string; readonly text: string; readonly row?: Row };

export type StatementResult<Row> = { readonly rows: readonly Row[]; readonly affectedRows: number };

/** Sends a statement, in one round trip. Errors: the driver's. */
export type RunStatement = <Row>(
  statement: Statement<Row>,
  parameters: unknown[],
) => Promise<StatementResult<Row>>;

const names = new Map<string, string>();

/** The name by which the statement with this text is prepared; undefined for one that has none, whose text may be made as it is needed. */
export function nameOf(text: string): string | undefined {
  return names.get(text);
}

/**
 * Over a connection or a transaction of the query builder. What is sent by it once is known by its name from then on: statements are constants,
 * so a connection prepares as many as there are in the source and no more.
 */
export function statementsOver(tables: Kysely<Tables>): RunStatement {
  return async <Row>(statement: Statement<Row>, parameters: unknown[]) => {
    names.set(statement.text, statement.name);
    const { rows, numAffectedRows } = await tables.executeQuery<Row>(
      CompiledQuery.raw(statement.text, parameters),
    );
    return { rows, affectedRows: Number(numAffectedRows ?? 0n) };
  };
}
