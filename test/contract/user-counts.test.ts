// The counts of accounts, on every database: they equal what counting would give, whichever statement writes, and folding them changes no answer.

import * as fc from 'fast-check';
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { beforeEach, expect, it } from 'vitest';
import type { UserStatus } from '../../src/domain/account/user.ts';
import type { UserCount } from '../../src/domain/stats/stats-store.ts';
import type { Tables } from '../../src/storage/postgres/rows.ts';
import { statementsOver } from '../../src/storage/postgres/statement.ts';
import { statsStore } from '../../src/storage/postgres/audit/stats-store.ts';
import { userStore } from '../../src/storage/postgres/account/user-store.ts';
import type { TestStores } from '../support/databases.ts';
import { describeOnEveryDatabase } from '../support/databases.ts';
import { NOW, sampleUser } from '../support/samples.ts';

const ROLES = ['user', 'moderator', 'admin'] as const;
type Role = (typeof ROLES)[number];

/** One thing that happens to accounts; `nth` picks the account. */
type Act =
  | { readonly act: 'register'; readonly role: Role; readonly emailVerified: boolean }
  | { readonly act: 'import'; readonly count: number }
  | { readonly act: 'role'; readonly nth: number; readonly role: Role }
  | { readonly act: 'status'; readonly nth: number; readonly status: UserStatus }
  | { readonly act: 'mfa' | 'verify'; readonly nth: number; readonly on: boolean }
  | { readonly act: 'erase' | 'login' | 'delete'; readonly nth: number }
  | { readonly act: 'fold'; readonly limit: number };

const nth = fc.nat(30);
const ACT: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    act: fc.constant('register' as const),
    role: fc.constantFrom(...ROLES),
    emailVerified: fc.boolean(),
  }),
  fc.record({ act: fc.constant('import' as const), count: fc.integer({ min: 0, max: 30 }) }),
  fc.record({ act: fc.constant('role' as const), nth, role: fc.constantFrom(...ROLES) }),
  fc.record({
    act: fc.constant('status' as const),
    nth,
    status: fc.constantFrom<UserStatus>('active', 'suspended'),
  }),
  fc.record({ act: fc.constantFrom('mfa' as const, 'verify' as const), nth, on: fc.boolean() }),
  fc.record({ act: fc.constantFrom('erase' as const, 'login' as const, 'delete' as const), nth }),
  fc.record({ act: fc.constant('fold' as const), limit: fc.integer({ min: 1, max: 20 }) }),
);

describeOnEveryDatabase('the counts of accounts', (open) => {
  let db: TestStores;
  beforeEach(async () => {
    db ??= await open();
    await sql`delete from users`.execute(db.database.tables);
  });

  const userAt = async (index: number) => {
    const { rows } = await sql<{ readonly id: string; readonly role: string }>`
      select id, role from users order by id offset ${index} % (select greatest(count(*), 1) from users)::int limit 1`.execute(
      db.database.tables,
    );
    return rows[0] ?? { id: crypto.randomUUID(), role: 'user' };
  };
  const update = async (id: string, change: ReturnType<typeof sql>) => {
    await sql`update users set ${change} where id = ${id}`.execute(db.database.tables);
  };
  const fold = (limit: number) => db.transact(({ statsKeeper }) => statsKeeper.foldUserCounts(limit));

  const perform = async (step: Act): Promise<void> => {
    if (step.act === 'fold') return void (await fold(step.limit));
    if (step.act === 'register')
      return void (await db.stores.users.insert(
        sampleUser({ role: step.role, emailVerified: step.emailVerified }),
      ));
    if (step.act === 'import') return insertMany(db, step.count);
    const { id } = await userAt(step.nth);
    if (step.act === 'role') return update(id, sql`role = ${step.role}`);
    if (step.act === 'status') return update(id, sql`status = ${step.status}`);
    if (step.act === 'verify') return update(id, sql`email_verified = ${step.on}`);
    if (step.act === 'login') return update(id, sql`last_login_time = now(), password_hash = 'x'`);
    if (step.act === 'mfa') return void (await db.stores.users.setMfaEnabled(id, step.on, NOW));
    if (step.act === 'erase') return db.transact(({ accountDeletions }) => accountDeletions.erase(id, NOW));
    await sql`delete from users where id = ${id}`.execute(db.database.tables);
  };

  it('equal what counting gives, after whatever has happened', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(ACT, { maxLength: 25 }), async (acts) => {
        for (const act of acts) await perform(act);
        await expectExact(db.database.tables);
        await fold(1_000);
        await expectExact(db.database.tables);
      }),
      { numRuns: 25 },
    );
  });

  it('equal it at every moment, while many write and two fold', async () => {
    if (db.url === undefined) return;
    await insertMany(db, 50);
    const over = new AbortController();
    const until = async (work: () => Promise<unknown>) => {
      while (!over.signal.aborted) await work();
    };
    const others = [
      until(() => fold(7)),
      until(() => fold(1_000)),
      until(() =>
        db.database.tables
          .transaction()
          .setIsolationLevel('repeatable read')
          .execute((transaction) => expectExact(transaction)),
      ),
    ];
    const acts = fc.sample(
      ACT.filter(({ act }) => act !== 'fold'),
      { numRuns: 240, seed: 7 },
    );
    const lanes = Array.from({ length: 6 }, async (_, lane) => {
      for (const act of acts.slice(lane * 40, lane * 40 + 40)) await perform(act);
    });
    await Promise.all(lanes).finally(() => over.abort());
    await Promise.all(others);
    await expectExact(db.database.tables);
  });

  it('are one row for each group once they are folded, and none for a group that is empty', async () => {
    for (const role of ROLES) await insertMany(db, 3, role);
    await sql`update users set role = 'user' where role = 'admin'`.execute(db.database.tables);
    while (await fold(5));
    await fold(1_000);
    const { rows } = await sql`select role, users::int from user_counts order by role`.execute(
      db.database.tables,
    );
    expect(rows).toEqual([
      { role: 'moderator', users: 3 },
      { role: 'user', users: 6 },
    ]);
    const ids = () => sql`select id from user_counts order by id`.execute(db.database.tables);
    const before = (await ids()).rows;
    expect(await fold(1_000)).toBe(false);
    expect((await ids()).rows).toEqual(before);
  });

  it('cost one row for a statement that writes a thousand accounts, and none for a login', async () => {
    while (await fold(5));
    await fold(1_000);
    const rows = async () => (await sql`select 1 from user_counts`.execute(db.database.tables)).rows.length;
    const before = await rows();
    await insertMany(db, 1_000);
    expect(await rows()).toBe(before + 1);
    const { id } = await userAt(3);
    const mark = { userId: id, checkedHash: 'hash', newHash: undefined, now: NOW };
    expect(await db.stores.users.markLogin(mark)).toMatchObject({ id });
    expect(await db.stores.users.markSecondFactor(id, NOW)).toMatchObject({ id });
    expect(await rows()).toBe(before + 1);
  });

  it('leave a login the heap-only update that it was', async () => {
    await insertMany(db, 1);
    const { id } = await userAt(0);
    // What this transaction has done stands beside what the connection has not reported yet.
    await db.database.tables.transaction().execute(async (transaction) => {
      const updates = async () => {
        const { rows } = await sql<{ readonly all: number; readonly heap_only: number }>`
          select n_tup_upd::int as "all", n_tup_hot_upd::int as heap_only from pg_stat_xact_user_tables
          where relname = 'users'`.execute(transaction);
        return rows[0] ?? { all: 0, heap_only: 0 };
      };
      const before = await updates();
      await userStore(transaction, statementsOver(transaction)).markSecondFactor(id, NOW);
      const after = await updates();
      expect([after.all - before.all, after.heap_only - before.heap_only]).toEqual([1, 1]);
    });
  });

  it('count how many have each role, deleted ones aside', async () => {
    await insertMany(db, 2, 'admin');
    await insertMany(db, 3);
    await insertMany(db, 1, 'moderator');
    for (const index of [0, 1]) {
      const { id } = await userAt(index);
      await db.transact(({ accountDeletions }) => accountDeletions.erase(id, NOW));
    }
    const { rows } = await sql<{ readonly role: string; readonly users: number }>`
      select role, count(*)::int as users from users where status <> 'deleted' group by 1`.execute(
      db.database.tables,
    );
    expect(rows.reduce((sum, { users }) => sum + users, 0)).toBe(4);
    expect(await db.stores.stats.usersByRole()).toEqual(
      new Map(rows.map(({ role, users }) => [role, users])),
    );
  });

  it('are none when the table is emptied at once', async () => {
    await insertMany(db, 5);
    await sql`truncate users cascade`.execute(db.database.tables);
    expect(await db.stores.stats.userCounts()).toEqual([]);
    await insertMany(db, 2);
    await expectExact(db.database.tables);
  });
});

/** As an import writes them: by one statement. */
async function insertMany(db: TestStores, count: number, role: Role = 'user'): Promise<void> {
  const batch = crypto.randomUUID();
  await sql`
    insert into users (id, email, email_key, full_name, password_hash, role, create_time, update_time)
    select gen_random_uuid(), key, key, 'x', 'hash', ${role}, now(), now()
    from generate_series(1, ${count}::int) n, concat(${batch}::text, n, '@example.com') as key`.execute(
    db.database.tables,
  );
}

async function expectExact(tables: Kysely<Tables>): Promise<void> {
  const counted = await statsStore(tables).userCounts();
  const { rows } = await sql<UserCount>`
    select role, status, mfa_enabled as "mfaEnabled", email_verified as "emailVerified", count(*)::int as users
    from users group by 1, 2, 3, 4`.execute(tables);
  const inOrder = (counts: readonly UserCount[]) => counts.map((count) => JSON.stringify(count)).toSorted();
  expect(inOrder(counted)).toEqual(inOrder(rows));
}
