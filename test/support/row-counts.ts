// Counts what a refused call must not have left behind.

import type { TestService } from './service.ts';

const TABLES = ['users', 'sessions', 'revocations', 'outbox_mails', 'api_keys'] as const;

/** How many rows each table holds. */
export async function countRows(service: TestService): Promise<Record<(typeof TABLES)[number], number>> {
  const counts = { users: 0, sessions: 0, revocations: 0, outbox_mails: 0, api_keys: 0 };
  for (const table of TABLES) {
    const rows = service.app.database.tables.selectFrom(table);
    const { count } = await rows
      .select((expression) => expression.fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow();
    counts[table] = Number(count);
  }
  return counts;
}
