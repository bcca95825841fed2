// What a refresh notices of the cleanup: how much slower the slowest in a hundred are while a million dead rows are taken away.

import type { Client } from 'pg';
import { withDatabase } from './accounts.ts';
import type { Caller } from './load.ts';
import { after, openCaller } from './load.ts';
import { withNode } from './node-under-load.ts';
import type { Chain } from './sessions/refresh.ts';
import { openChains, refresh } from './sessions/refresh.ts';
import type { Metric } from './report.ts';
import { median, quantile } from './report.ts';

const SESSIONS = 1_000;
const CONCURRENCY = 128;
const ROUNDS = 6;
const WARM_UP_ROUNDS = 3;
const ROUND_MS = 2_000;
const DEAD = { sessions: 900_000, revocations: 50_000, actionTokens: 50_000 };

export function benchCleanup(): Promise<Metric[]> {
  return withNode({ variables: { CLEANUP_INTERVAL: 'off' } }, async (node, databaseUrl) => {
    const chains = await openChains(node, SESSIONS);
    await withDatabase(databaseUrl, seed);
    const caller = openCaller(node.grpc);
    const load = (isOver: () => boolean) => refreshes(caller, chains, isOver);
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) await load(after(ROUND_MS));

    const quiet: number[] = [];
    const cleaning: number[] = [];
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const without = await load(after(ROUND_MS));
      let isClean = false;
      const start = performance.now();
      const running = node.ask({ ask: 'clean' }).then((rows) => {
        isClean = true;
        rates.push(rows / ((performance.now() - start) / 1_000));
        return rows;
      });
      const during = await load(() => isClean);
      // A round in which the rows came to an end says nothing.
      if ((await running) === 0 || performance.now() - start < ROUND_MS) break;
      quiet.push(quantile(without, 0.99));
      cleaning.push(quantile(during, 0.99));
    }
    caller.close();
    return [
      { name: 'cleanup-interference', value: median(cleaning) / median(quiet), unit: 'ratio', goal: '≤ 2' },
      { name: 'refresh-p99-cleaning', value: median(cleaning), unit: 'ms', goal: '' },
      { name: 'refresh-p99-quiet', value: median(quiet), unit: 'ms', goal: '' },
      { name: 'cleanup-rate-under-load', value: median(rates), unit: 'rows/s', goal: '' },
      { name: 'cleanup-rounds', value: cleaning.length, unit: 'rounds', goal: '' },
    ];
  });
}

/** Refreshes until it is over; resolves to how long each took, in milliseconds. */
async function refreshes(caller: Caller, chains: readonly Chain[], isOver: () => boolean): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const worker = async () => {
    while (!isOver()) {
      const chain = chains[next % chains.length];
      next += 1;
      const start = performance.now();
      await refresh(caller, chain);
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return times;
}

// Of somebody whose sessions ended weeks ago, written into the tables at once; live sessions stand between them.
async function seed(client: Client): Promise<void> {
  await client.query(
    `insert into sessions (id, user_id, generation, salt, epoch, device_name, ip_address, user_agent, amr, auth_time, create_time,
       last_seen_time, expire_time, max_expire_time)
     select gen_random_uuid(), (select user_id from sessions limit 1), 1, '\\x00112233445566778899aabbccddeeff0011', 1, 'laptop',
       '192.0.2.1', 'bench', '{pwd}', t, t, t, t, t
     from generate_series(1, $1::int), (select now() - interval '30 days' as t) at_once`,
    [DEAD.sessions],
  );
  await client.query(
    `insert into revocations (form, target_id, min_version, revoke_time, expire_time)
     select 'token', gen_random_uuid(), 0, t, t from generate_series(1, $1::int), (select now() - interval '1 day' as t) at_once`,
    [DEAD.revocations],
  );
  await client.query(
    `insert into action_tokens (id, purpose, user_id, digest, payload, create_time, expire_time)
     select gen_random_uuid(), 'password_reset', (select user_id from sessions limit 1), '\\x00', '{}', t, t
     from generate_series(1, $1::int), (select now() - interval '30 days' as t) at_once`,
    [DEAD.actionTokens],
  );
  await client.query('vacuum analyze');
  await client.query('checkpoint');
}
