// Lets time pass since a session was last refreshed, as the database sees it: no test moves the database's clock.

import { sql } from 'kysely';
import type { Database } from '../../src/storage/postgres/connection.ts';

/** The session's latest refresh was `ms` earlier than it was. */
export async function ageRotation(
  { tables }: Pick<Database, 'tables'>,
  sessionId: string,
  ms: number,
): Promise<void> {
  await sql`
    update sessions set rotate_time = rotate_time - ${ms} * interval '1 millisecond' where id = ${sessionId}`.execute(
    tables,
  );
}
