// Whether a stranger with a stopwatch can tell whether an account exists, or what state it is in: the area under the curve of the best
// classifier by time alone, for each pair of kinds of account. 0.5 is guessing.

import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import { GOOD_PASSWORD } from '../support/service.ts';
import type { BulkAccounts } from './accounts.ts';
import { hashOf, insertAccounts, withDatabase } from './accounts.ts';
import { startNodeUnderLoad, withNode } from './node-under-load.ts';
import type { Metric } from './report.ts';

const CALLS = 2_000;
const WARM_UP = 300;
// Under the five failures that lock an account.
const CALLS_PER_ACCOUNT = 4;
const ACCOUNTS = (CALLS + WARM_UP) / CALLS_PER_ACCOUNT;

type States = Omit<BulkAccounts, 'prefix' | 'count' | 'passwordHash'>;

const STATES: Readonly<Record<string, States>> = {
  known: {},
  unverified: { emailVerified: false },
  suspended: { status: 'suspended' },
  mfa: { mfaEnabled: true },
};
const KINDS = ['unknown', ...Object.keys(STATES)];
const LOCKED = ['locked-unknown', 'locked-known'];

/** Hashes that the node would not make, each cheap enough not to drown what differs, and dearer and cheaper than its own. */
const IMPORTED: Readonly<Record<string, readonly string[]>> = {
  bcrypt: ['$2b$06$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS'],
  pbkdf2: ['pbkdf2_sha256$20000$seasalt$kAE99cdcTKmGrieRXDBgQGQ4EwQZyrsTdq98YF0EJdY='],
  scrypt: ['$scrypt$ln=12,r=8,p=1$+/8AECAwQFBgcICQoLDA/g$dv+owPFLUlvyCwjQOVvlWz/6tfZ1+adxu7MGJPXYU70'],
  'argon2-before': [
    '$argon2id$v=19$m=8192,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U',
  ],
};
const MIXTURES = { ...IMPORTED, mixed: Object.values(IMPORTED).flat() };

/** One kind of question about one kind of account. */
type Question = { readonly kind: string; readonly ask: (address: string) => Promise<unknown> };

export async function benchEnumeration(): Promise<Metric[]> {
  const curves = { ...(await curvesByState()), ...(await curvesByHash()) };
  return [
    { name: 'enumeration-auc', value: Math.max(...Object.values(curves)), unit: 'area', goal: '≤ 0.55' },
    ...Object.entries(curves).map(([name, value]) => ({
      name: `enumeration-auc-${name}`,
      value,
      unit: 'area',
      goal: '',
    })),
  ];
}

/** How accounts in each state are told apart, by all that strangers may call. */
function curvesByState(): Promise<Readonly<Record<string, number>>> {
  // A cheap hash, so that it does not drown what differs; unverified accounts may not log in, so that they are a kind of their own.
  return withNode(
    { variables: { REQUIRE_VERIFIED_EMAIL: 'true' }, isDurable: false },
    async (node, databaseUrl) => {
      const { auth } = node;
      await prepare(databaseUrl, auth);
      const login = (address: string) =>
        auth.login({ identifier: address, password: 'Wrong-Horse-42-Staple!' });
      const register = (email: string) =>
        auth.register({ email, password: GOOD_PASSWORD, fullName: 'Bench' });
      return {
        login: await worstCurve(KINDS.map((kind) => ({ kind, ask: login }))),
        'login-locked': await worstCurve(LOCKED.map((kind) => ({ kind, ask: login }))),
        register: await worstCurve(KINDS.map((kind) => ({ kind, ask: register }))),
        'password-reset': await worstCurve(
          KINDS.map((kind) => ({ kind, ask: (email) => auth.requestPasswordReset({ email }) })),
        ),
        'email-verification': await worstCurve(
          KINDS.map((kind) => ({ kind, ask: (email) => auth.sendEmailVerification({ email }) })),
        ),
      };
    },
  );
}

/** How an account is told from none where the accounts have these hashes: all the same, or a mixture. */
async function curvesByHash(): Promise<Readonly<Record<string, number>>> {
  const postgres = await startPrivatePostgres();
  const variables = { DATABASE_URL: postgres.url, MASTER_KEY: randomBytes(32).toString('base64') };
  const curves: Record<string, number> = {};
  try {
    (await startNodeUnderLoad(variables)).stop();
    for (const [name, hashes] of Object.entries(MIXTURES)) {
      await withDatabase(postgres.url, (client) => replaceAccounts(client, hashes));
      const node = await startNodeUnderLoad(variables);
      const ask = (address: string) =>
        node.auth.login({ identifier: address, password: 'Wrong-Horse-42-Staple!' });
      curves[`login-${name}`] = await worstCurve(['unknown', 'imported'].map((kind) => ({ kind, ask })));
      node.stop();
    }
  } finally {
    await postgres.stop();
  }
  return curves;
}

async function replaceAccounts(client: Client, hashes: readonly string[]): Promise<void> {
  await client.query(`delete from users where email_key like 'imported%'`);
  await client.query('delete from lockouts');
  await insertAccounts(client, { prefix: 'imported', count: ACCOUNTS, passwordHash: hashes[0] ?? '' });
  await client.query(
    `update users set password_hash = ($1::text[])[1 + substring(email_key from '\\d+')::int % cardinality($1::text[])]
     where email_key like 'imported%'`,
    [hashes],
  );
  await client.query('vacuum analyze');
}

async function prepare(url: string, auth: { register(request: object): Promise<unknown> }): Promise<void> {
  await auth.register({ email: 'model@example.com', password: GOOD_PASSWORD, fullName: 'Bench' });
  await withDatabase(url, async (client) => {
    const passwordHash = await hashOf(client, 'model@example.com');
    for (const [prefix, state] of Object.entries({ ...STATES, 'locked-known': {} }))
      await insertAccounts(client, { prefix, count: ACCOUNTS, passwordHash, ...state });
    await client.query(
      `insert into lockouts (key, failures, last_failure_time, locked_until)
       select 'identifier:' || email_key, 5, now(), now() + interval '1 day' from users where email_key like 'locked-known%'
       union all
       select 'identifier:locked-unknown' || n || '@example.com', 5, now(), now() + interval '1 day' from generate_series(1, $1::int) n`,
      [ACCOUNTS],
    );
    await client.query('vacuum analyze');
  });
}

/** The largest area of any pair of kinds, asked in turn in an order that changes. */
async function worstCurve(questions: readonly Question[]): Promise<number> {
  const times = new Map<string, number[]>(questions.map(({ kind }) => [kind, []]));
  for (let call = 0; call < CALLS + WARM_UP; call += 1) {
    for (const { kind, ask } of shuffled(questions)) {
      const address = `${kind}${Math.floor(call / CALLS_PER_ACCOUNT) + 1}@example.com`;
      const start = performance.now();
      await ask(address).catch(() => undefined);
      if (call >= WARM_UP) times.get(kind)?.push(performance.now() - start);
    }
  }
  const kinds = [...times.values()];
  const areas = kinds.flatMap((left, index) =>
    kinds.slice(index + 1).map((right) => areaUnderCurve(left, right)),
  );
  return Math.max(...areas);
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .toSorted((left, right) => left.order - right.order)
    .map(({ item }) => item);
}

/** The area under the ROC curve of a threshold on time, whichever way it points (Mann–Whitney U over the number of pairs). */
export function areaUnderCurve(left: readonly number[], right: readonly number[]): number {
  const ranked = [
    ...left.map((time) => ({ time, isLeft: true })),
    ...right.map((time) => ({ time, isLeft: false })),
  ];
  ranked.sort((one, other) => one.time - other.time);
  let rankSum = 0;
  ranked.forEach(({ isLeft }, index) => {
    if (isLeft) rankSum += index + 1;
  });
  const pairs = left.length * right.length;
  const area = (rankSum - (left.length * (left.length + 1)) / 2) / pairs;
  return Math.max(area, 1 - area);
}
