// Whether operators find accounts among a million as they do among few: the deepest page of each order against the first, and searches by text.

import { createClient } from '@connectrpc/connect';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { AdminService, UserOrder } from '../../gen/latchkey/v1/admin_service_pb.ts';
import type { ListUsersRequestSchema } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { bearer } from '../support/service.ts';
import { withDatabase } from './accounts.ts';
import { withNode } from './node-under-load.ts';
import { logIn, register } from './people.ts';
import type { Metric } from './report.ts';
import { median, quantile } from './report.ts';

const ACCOUNTS = Number(process.env['LATCHKEY_BENCH_USERS'] ?? 1_000_000);
const ROUNDS = 40;
const WARM_UP = 10;

type Request = MessageInitShape<typeof ListUsersRequestSchema>;
type List = (
  request: Request,
) => Promise<{ readonly count: number; readonly next: string; readonly ms: number }>;

const ORDERS = {
  newest: UserOrder.CREATE_TIME_DESC,
  oldest: UserOrder.CREATE_TIME_ASC,
  address: UserOrder.EMAIL_ASC,
  address_backwards: UserOrder.EMAIL_DESC,
} as const;

const FILTERS: Readonly<Record<string, Request['filters']>> = {
  all: undefined,
  role: { roles: ['moderator'] },
  unverified: { emailVerified: false },
};

/** What is sought, by how many accounts match; `far` is the oldest hundredth alone. */
const TEXTS = {
  none: ['no-such-person', 'xqzxqz', 'nobody@nowhere'],
  rare: ['person-777.', 'person-12345@', 'PERSON-19999'],
  middling: ['Fewsome', 'Someone', 'Rather'],
  common: ['example.com', 'person', 'Ada'],
  short: ['p', 'ad', 'zz'],
  far: ['Founder'],
} as const;

export function benchDirectory(): Promise<Metric[]> {
  return withNode({}, async (node, databaseUrl) => {
    await register(node.auth, 'operator@example.com');
    console.error(`seeding ${ACCOUNTS} accounts by insert … select`);
    await withDatabase(databaseUrl, async (client) => {
      await client.query(`update users set role = 'admin' where email_key = 'operator@example.com'`);
      await client.query(SEED, [ACCOUNTS]);
      await client.query('vacuum analyze users');
      await client.query('checkpoint');
    });
    const options = bearer((await logIn(node.auth, 'operator@example.com')).accessToken);
    const admin = createClient(AdminService, node.transport);
    const list: List = async (request) => {
      const start = performance.now();
      const { users, nextPageToken } = await admin.listUsers(request, options);
      return { count: users.length, next: nextPageToken, ms: performance.now() - start };
    };
    return [...(await depthMetrics(list)), ...(await searchMetrics(list))];
  });
}

// One of a hundred is a moderator, one of ten unverified; addresses lie in another order than the times.
const SEED = `
  insert into users (id, email, email_key, username, username_key, full_name, password_hash, role, status, email_verified, mfa_enabled,
    create_time, update_time)
  select gen_random_uuid(), name || '@example.com', name || '@example.com', name, name,
    (array['Ada', 'Grace', 'Edsger', 'Barbara'])[1 + n % 4] || ' ' || initcap(substr(md5(n::text), 1, 6))
      || case when n % 1000 = 7 then ' Fewsome' when n % 300 = 8 then ' Someone' when n % 100 = 9 then ' Rather' else '' end
      || case when n <= $1 / 100 then ' Founder' else '' end,
    null, case when n % 100 = 3 then 'moderator' else 'user' end, case when n % 200 = 5 then 'suspended' else 'active' end, n % 10 <> 1,
    n % 50 = 2, now() - ($1 - n) * interval '20 seconds', now()
  from (select n, 'person-' || reverse(n::text) || '.' || n as name from generate_series(1, $1::int) n) numbered`;

async function depthMetrics(list: List): Promise<Metric[]> {
  const metrics: Metric[] = [];
  for (const [orderName, order] of Object.entries(ORDERS)) {
    for (const [filterName, filters] of Object.entries(FILTERS)) {
      const request = { order, pageSize: 50, ...(filters === undefined ? {} : { filters }) };
      const deepest = await deepestToken(list, request);
      const first: number[] = [];
      const last: number[] = [];
      for (let round = 0; round < ROUNDS + WARM_UP; round += 1) {
        const near = (await list(request)).ms;
        const far = (await list({ ...request, pageToken: deepest })).ms;
        if (round < WARM_UP) continue;
        first.push(near);
        last.push(far);
      }
      const name = `list-users-depth-${orderName}-${filterName}`;
      metrics.push({ name, value: median(last) / median(first), unit: 'ratio', goal: '' });
    }
  }
  const value = Math.max(...metrics.map((metric) => metric.value));
  return [{ name: 'list-users-depth', value, unit: 'ratio', goal: '≤ 1.5' }, ...metrics];
}

// Of the last full page. Goes there by pages of a thousand: the token is not bound to their size.
async function deepestToken(list: List, request: Request): Promise<string> {
  let token = '';
  let before = '';
  for (;;) {
    const { next, count } = await list({ ...request, pageSize: 1_000, pageToken: token });
    if (next === '') return count >= 50 ? token : before;
    before = token;
    token = next;
  }
}

async function searchMetrics(list: List): Promise<Metric[]> {
  const times: number[] = [];
  const metrics: Metric[] = [];
  for (const [kind, texts] of Object.entries(TEXTS)) {
    const own: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const query of texts)
        for (const order of Object.values(ORDERS)) {
          const { ms } = await list({ query, order });
          if (round >= WARM_UP / 5) own.push(ms);
        }
    }
    times.push(...own);
    metrics.push(
      { name: `list-users-search-${kind}-p50`, value: quantile(own, 0.5), unit: 'ms', goal: '' },
      { name: `list-users-search-${kind}-p95`, value: quantile(own, 0.95), unit: 'ms', goal: '' },
    );
  }
  return [
    { name: 'list-users-search', value: quantile(times, 0.95), unit: 'ms, p95', goal: '≤ 100' },
    { name: 'list-users-search-p50', value: quantile(times, 0.5), unit: 'ms', goal: '' },
    ...metrics,
  ];
}
