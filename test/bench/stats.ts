// How long statistics take at a million accounts and ten million audit events.

import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Client } from 'pg';
import { GetStatsRequestSchema } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { StatsInterval } from '../../gen/latchkey/v1/stats_pb.ts';
import { hashOf, insertAccounts, withDatabase } from './accounts.ts';
import { openCaller } from './load.ts';
import { withNode } from './node-under-load.ts';
import { logIn, register } from './people.ts';
import type { Metric } from './report.ts';
import { median, quantile } from './report.ts';

const USERS = Number(process.env['LATCHKEY_BENCH_USERS'] ?? 1_000_000);
const EVENTS = Number(process.env['LATCHKEY_BENCH_EVENTS'] ?? 10_000_000);
/** Not sealed yet, as many as come within a second or so on a busy installation. */
const QUEUED = 1_000;
const CALLS = 200;
const WARM_UP = 100;
const ADMIN = 'bench@example.com';
const DAY_MS = 86_400_000;

export function benchStats(): Promise<Metric[]> {
  return withNode({}, async (node, databaseUrl) => {
    await register(node.auth, ADMIN);
    await withDatabase(databaseUrl, seed);
    const { accessToken } = await logIn(node.auth, ADMIN);
    const headers = { authorization: `Bearer ${accessToken}` };
    const caller = openCaller(node.grpc);
    const times = { hours: [] as number[], days: [] as number[] };
    for (let call = -WARM_UP; call < CALLS; call += 1) {
      const interval = call % 2 === 0 ? 'hours' : 'days';
      const start = performance.now();
      await caller.call('/latchkey.v1.AdminService/GetStats', request(interval), headers);
      if (call >= 0) times[interval].push(performance.now() - start);
    }
    caller.close();
    const all = [...times.hours, ...times.days];
    return [
      { name: 'stats-1e6', value: quantile(all, 0.95), unit: 'ms (p95)', goal: '≤ 50' },
      { name: 'stats-1e6-hours', value: median(times.hours), unit: 'ms (p50)', goal: '' },
      { name: 'stats-1e6-days', value: median(times.days), unit: 'ms (p50)', goal: '' },
    ];
  });
}

// The most that may be asked for: 31 days by the hour, 366 days by the day.
function request(interval: 'hours' | 'days'): Uint8Array {
  const [unit, back] = interval === 'hours' ? [StatsInterval.HOUR, 30.9] : [StatsInterval.DAY, 365];
  const startTime = timestampFromMs(Math.floor(Date.now() - back * DAY_MS));
  return toBinary(GetStatsRequestSchema, create(GetStatsRequestSchema, { interval: unit, startTime }));
}

// Written into the tables at once: accounts, which the triggers count; 60 days of events of all kinds, with the counts that sealing them
// would have left, and the last of them in the queue.
async function seed(client: Client): Promise<void> {
  const passwordHash = await hashOf(client, ADMIN);
  await client.query(`update users set role = 'admin' where email_key = $1`, [ADMIN]);
  const share = (prefix: string, part: number) => ({ prefix, count: USERS * part, passwordHash });
  await insertAccounts(client, share('plain', 0.7));
  await insertAccounts(client, { ...share('mfa', 0.2), mfaEnabled: true });
  await insertAccounts(client, { ...share('new', 0.08), emailVerified: false });
  await insertAccounts(client, { ...share('barred', 0.02), status: 'suspended' });
  await client.query(
    `select audit_add_month(now() - months * interval '1 month') from generate_series(1, 2) months`,
  );
  await client.query(
    `insert into audit_events (id, time, kind, outcome, ip_address, user_agent, request_id)
     select gen_random_uuid(), now() - interval '60 days' * (n / $1::float8),
       (array['session.login', 'session.login', 'session.login', 'session.login', 'session.verify_mfa', 'session.mfa_challenge', 'session.logout',
         'account.register', 'account.create', 'account.locked', 'account.email_verification', 'account.password_change', 'api_key.create'])[1 + n % 13],
       case when n % 5 = 0 then 'refused' else 'success' end, '192.0.2.1', 'bench', n::text
     from generate_series(1, $1::int) n`,
    [EVENTS],
  );
  await client.query(
    `insert into audit_queue (event_time, event_id) select time, id from audit_events where user_agent = 'bench' order by time desc limit $1`,
    [QUEUED],
  );
  await client.query(`
    insert into audit_counts (hour, kind, outcome, events)
    select date_trunc('hour', time, 'UTC'), kind, outcome, count(*) from audit_events
    where user_agent = 'bench' and not exists (select from audit_queue where event_id = audit_events.id)
    group by 1, 2, 3
    on conflict (hour, kind, outcome) do update set events = audit_counts.events + excluded.events`);
  await client.query('vacuum analyze');
  await client.query('checkpoint');
}
