// A whole node with many live revocations in its database, in a process of its own so that its CPU time is its own. Speaks to its parent by messages.

import { sql } from 'kysely';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import { RevocationFeed } from '../../src/jobs/revocation-feed.ts';
import { openDatabase } from '../../src/storage/postgres/connection.ts';
import { startTestService } from '../support/service.ts';
import { longestTurn } from './longest-turn.ts';

/** What the parent may ask: CPU microseconds so far, or the CPU milliseconds of the longest turn of the event loop in some work. */
export type Question =
  | 'cpu'
  /** While everything live is read from the database, as at a start. */
  | 'load'
  /** From `watch` until `watched`. */
  | 'watch'
  | 'watched';

const [url = '', count = '0'] = process.argv.slice(2);
await fill(Number(count));
const service = await startTestService({ variables: { DATABASE_URL: url, DATABASE_TIMEOUT: '60s' } });
let watched = Promise.withResolvers<void>();
let watching: Promise<number> | undefined;

process.on('message', (question: Question) => {
  void answer(question).then((value) => process.send?.({ value }));
});
process.on('disconnect', () => process.exit(0));
process.send?.({ grpc: service.grpcAddress, gatewayKey: service.secrets?.gatewayApiKey ?? '' });

async function answer(question: Question): Promise<number> {
  if (question === 'load') return longestTurn(loadAgain);
  if (question === 'watch') {
    watched = Promise.withResolvers();
    watching = longestTurn(() => watched.promise);
    return 0;
  }
  if (question === 'watched') {
    watched.resolve();
    return (await watching) ?? Number.NaN;
  }
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function loadAgain(): Promise<void> {
  const { app } = service;
  const revocationIndex = new RevocationIndex(app);
  const { revocations, roles } = app.reservedStores;
  await new RevocationFeed({ ...app, revocationIndex, revocations, roles }).start();
  if (revocationIndex.size < Number(count)) throw new Error(`loaded ${revocationIndex.size} revocations`);
}

async function fill(total: number): Promise<void> {
  const database = await openDatabase({ url, poolSize: 2, statementTimeoutMs: 600_000 });
  await database.migrate();
  await sql`
    insert into revocations (form, target_id, min_version, revoke_time, expire_time)
    select (array['token', 'session', 'subject'])[1 + n % 3], gen_random_uuid()::text, 1, now(), now() + interval '1 day'
    from generate_series(1, ${total}::int) n`.execute(database.tables);
  await sql`analyze revocations`.execute(database.tables);
  await database.close();
}
