// The contract of UserImportStore, on every database: as if one after the other, each account once, whatever else is written concurrently.

import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import type { NewImportedUser } from '../../src/domain/user-import/user-import-store.ts';
import { describeOnEveryDatabase, describeOnPostgres, type TestStores } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { NOW, sampleUser } from '../support/samples.ts';

let numbers = 0;
function imported(change: Partial<NewImportedUser> = {}): NewImportedUser {
  numbers += 1;
  return {
    id: newId(),
    externalId: `ext-${numbers}`,
    email: address(`contract-${numbers}`),
    emailVerified: false,
    username: undefined,
    fullName: 'Somebody',
    role: 'user',
    suspended: false,
    passwordHash: undefined,
    createTime: NOW,
    lastLoginTime: undefined,
    ...change,
  };
}

const address = (name: string) => ({ text: `${name}@example.com`, key: `${name}@example.com` });
const named = (name: string) => ({ text: name, key: name });

describeOnEveryDatabase('UserImportStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  const insert = (...users: readonly NewImportedUser[]) =>
    db.transact(({ userImports }) => userImports.insertAll(users, NOW));
  const fates = async (...users: readonly NewImportedUser[]) =>
    (await insert(...users)).map((fate) => fate.fate);

  it('keeps an account whole', async () => {
    const user = imported({
      emailVerified: true,
      username: { text: 'Ada', key: 'ada' },
      fullName: 'Ada "Quote" \\ {Brace}, Ünïcode',
      role: 'moderator',
      passwordHash: '$2b$04$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS',
      createTime: 1_000_000_000_123,
      lastLoginTime: 1_100_000_000_456,
    });
    const suspended = imported({ suspended: true });
    expect(await fates(user, suspended)).toEqual(['created', 'created']);
    expect(await db.stores.users.findWithPassword(user.id)).toEqual({
      id: user.id,
      email: user.email.text,
      username: 'Ada',
      fullName: user.fullName,
      role: 'moderator',
      status: 'active',
      emailVerified: true,
      mfaEnabled: false,
      tokenVersion: 1,
      sessionEpoch: 1,
      createTime: 1_000_000_000_123,
      updateTime: NOW,
      lastLoginTime: 1_100_000_000_456,
      passwordHash: user.passwordHash,
    });
    expect(await db.stores.users.findById(suspended.id)).toMatchObject({ status: 'suspended' });
  });

  it('answers nothing for none', async () => {
    expect(await insert()).toEqual([]);
    expect(await db.stores.userImports.findObstacles([])).toEqual([]);
  });

  it('leaves one that was imported before as it is, also when its owner deleted it', async () => {
    const user = imported();
    await insert(user);
    const again = imported({ externalId: user.externalId, fullName: 'Another' });
    expect(await insert(again)).toEqual([{ fate: 'unchanged', userId: user.id }]);
    await db.transact(({ accountDeletions }) => accountDeletions.erase(user.id, NOW));
    expect(await insert(again)).toEqual([{ fate: 'unchanged', userId: user.id }]);
  });

  it('reports what is taken, and imports the others', async () => {
    const known = sampleUser({ email: address('known'), username: named('known') });
    await db.stores.users.insert(known);
    expect(
      await insert(
        imported({ email: known.email }),
        imported({ username: named('known') }),
        imported({ email: known.email, username: named('known') }),
        imported({ role: 'nobody' }),
        imported(),
      ),
    ).toEqual([
      { fate: 'taken', emailTaken: true, usernameTaken: false },
      { fate: 'taken', emailTaken: false, usernameTaken: true },
      { fate: 'taken', emailTaken: true, usernameTaken: true },
      { fate: 'role_not_found' },
      { fate: 'created' },
    ]);
  });

  it('takes those that share names as if one after the other', async () => {
    const [taken, free] = [imported(), imported()];
    await insert(taken);
    const refused = imported({ email: taken.email, username: named('chain') });
    const next = imported({ externalId: refused.externalId, username: named('chain') });
    const last = imported({ externalId: refused.externalId, email: free.email });
    expect(await fates(refused, next, last, free, imported({ email: free.email }))).toEqual([
      'taken',
      'created',
      'unchanged',
      'created',
      'taken',
    ]);
    const chain = imported();
    const links = Array.from({ length: 40 }, (_, index) =>
      imported(index % 2 === 0 ? { email: chain.email } : { externalId: `link-${Math.floor(index / 4)}` }),
    );
    const found = await fates(chain, ...links);
    expect(found.filter((fate) => fate === 'created')).toHaveLength(1 + 10);
  });

  it('finds the same obstacles without writing', async () => {
    const known = imported({ username: named('obstacle') });
    await insert(known);
    expect(
      await db.stores.userImports.findObstacles([
        known,
        imported({ email: known.email }),
        imported({ username: named('obstacle') }),
        imported(),
      ]),
    ).toMatchObject([
      { userId: known.id },
      { userId: undefined, emailTaken: true, usernameTaken: false },
      { userId: undefined, emailTaken: false, usernameTaken: true },
      { userId: undefined, emailTaken: false, usernameTaken: false },
    ]);
  });
});

describeOnPostgres('Imports that race', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  const batch = (count: number) => Array.from({ length: count }, () => imported());
  const copyOf = (users: readonly NewImportedUser[]) => users.map((user) => ({ ...user, id: newId() }));
  const insert = (users: readonly NewImportedUser[]) =>
    db.transact(({ userImports }) => userImports.insertAll(users, NOW));
  const count = (fates: Awaited<ReturnType<typeof insert>>, wanted: string) =>
    fates.filter(({ fate }) => fate === wanted).length;

  it('take each account once, in whatever order they have them, and none fails', async () => {
    const users = batch(300);
    const orders = [users, users.toReversed(), users.toSorted(() => Math.random() - 0.5), users.slice(100)];
    const all = await Promise.all(orders.map((order) => insert(copyOf(order))));
    expect(all.reduce((sum, fates) => sum + count(fates, 'created'), 0)).toBe(300);
    for (const fates of all) expect(count(fates, 'created') + count(fates, 'unchanged')).toBe(fates.length);
  });

  it('give each address to one of those who ask for it, registrations among them', async () => {
    const users = batch(200);
    const strangers = users.map((user) => ({
      ...user,
      id: newId(),
      externalId: `stranger-${user.externalId}`,
    }));
    const registering = users
      .filter((_user, index) => index % 10 === 0)
      .map(({ email }) => sampleUser({ email }));
    const [first, second, ...registered] = await Promise.all([
      insert(users),
      insert(strangers.toReversed()),
      ...registering.map((user) => db.transact((stores) => stores.users.insert(user))),
    ]);
    const inserted = registered.filter((outcome) => outcome === 'inserted').length;
    expect(count(first, 'created') + count(second, 'created') + inserted).toBe(200);
    expect(count(first, 'taken') + count(second, 'taken')).toBe(200 + inserted);
  });

  it('wait for a role that is being deleted, and report it', async () => {
    const { tables } = db.database;
    await tables
      .insertInto('roles')
      .values({ name: 'doomed', inherits: 'user', scopes: [], built_in: false })
      .execute();
    const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const deleting = tables.transaction().execute(async (transaction) => {
      await transaction.deleteFrom('roles').where('name', '=', 'doomed').execute();
      held.resolve();
      await gate.promise;
    });
    await held.promise;
    const importing = insert([imported({ role: 'doomed' }), imported()]);
    await eventually(async () => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(tables);
      return (rows[0]?.count ?? 0) > 0;
    }).finally(gate.resolve);
    await deleting;
    expect((await importing).map(({ fate }) => fate)).toEqual(['role_not_found', 'created']);
  });
});
