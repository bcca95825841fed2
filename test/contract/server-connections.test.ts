// Holds what the connections to a server have in common.

import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { openDatabase } from '../../src/storage/postgres/connection.ts';
import { createTestDatabase, describeWithPostgres } from '../support/services.ts';

describeWithPostgres('a database on a server', () => {
  it('takes the parameters of its URL for every connection', async () => {
    const url = new URL((await createTestDatabase()).url);
    url.searchParams.set('options', '-c geqo=off');
    const database = await openDatabase({ url: url.href, poolSize: 2, statementTimeoutMs: 10_000 });
    for (const { tables } of [database, database.reserved]) {
      const { rows } = await sql`show geqo`.execute(tables);
      expect(rows).toEqual([{ geqo: 'off' }]);
    }
    await database.close();
  });

  it('hands times over as the text that it sends', async () => {
    const { url } = await createTestDatabase();
    const database = await openDatabase({ url, poolSize: 2, statementTimeoutMs: 10_000 });
    for (const { tables } of [database, database.reserved]) {
      const { rows } =
        await sql`select '2026-11-28 01:02:03.456789+00'::timestamptz at time zone 'UTC' as time`.execute(
          tables,
        );
      expect(rows).toEqual([{ time: '2026-11-28 01:02:03.456789' }]);
    }
    await database.close();
  });
});
