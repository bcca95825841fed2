// The contract of UserDirectory on every database: what it finds against a plain filter over the same accounts, and its pages one by one.

import {
  constantFrom,
  record,
  assert,
  asyncProperty,
  boolean,
  option,
  string,
  integer,
  oneof,
  uniqueArray,
} from 'fast-check';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import { emailKey } from '../../src/domain/account/email-address.ts';
import type { User, UserStatus } from '../../src/domain/account/user.ts';
import type {
  FoundUser,
  UserDirectory,
  UserFilters,
  UserOrder,
  UserPosition,
  UserQuery,
} from '../../src/domain/user-directory/user-directory.ts';
import type { Looks } from '../../src/storage/postgres/account/user-directory.ts';
import { userDirectory } from '../../src/storage/postgres/account/user-directory.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { NOW } from '../support/samples.ts';

const ANY = { start: undefined, end: undefined };
const EVERYBODY: UserFilters = {
  roles: [],
  statuses: [],
  emailVerified: undefined,
  mfaEnabled: undefined,
  createTime: ANY,
  lastLoginTime: ANY,
};
const ORDERS: readonly UserOrder[] = [
  { by: 'create_time', descending: true },
  { by: 'create_time', descending: false },
  { by: 'email', descending: true },
  { by: 'email', descending: false },
];
const STATUSES: readonly UserStatus[] = ['active', 'suspended', 'deleted'];
const ROLES = ['user', 'moderator', 'admin'];
const NAMES = [
  'Ada Lovelace',
  "Zoë O'Brien-Smith",
  'ÄRGER Müller',
  'жук Жуков',
  '王小明',
  '100% \\o/ _x_',
  'a.b@c',
  '%',
  '😀 Smile 😀',
  'Li Wu',
];
const LOCALS = ['ada', 'Bob.Smith', 'c_d-e', 'x+y', 'müller', 'z', "o'neil", 'aaa', 'AAA.aa'];
// With the ordinary looks few accounts are seen whole by the first: the others go by a sample, and walk on, or gather.
const costs = { walk: { create_time: 1, email: 1 }, match: 1_000, scan: 1_000 };
const LOOKS: Readonly<Record<string, Looks | undefined>> = {
  ordinary: undefined,
  walking: { first: 1, perRow: 1, costs },
  gathering: { first: 1, perRow: 1, costs: { ...costs, match: 0, scan: 0 } },
};

type Row = User & { readonly emailKeyStored: string };

describeOnEveryDatabase('UserDirectory', (open) => {
  let db: TestStores;
  let rows: readonly Row[];

  beforeAll(async () => {
    db = await open();
    rows = Array.from({ length: 240 }, (_, index) => rowOf(index));
    for (const row of rows) await insert(db, row);
  });

  const directoryOf = (looks: string) => userDirectory(db.database.tables, LOOKS[looks]);

  it('finds what a plain filter finds, in order, however far it looks first', async () => {
    await assert(
      asyncProperty(
        record({
          text: oneof(
            constantFrom(
              '',
              '',
              'a',
              'A',
              'z',
              'mü',
              'ÄR',
              'ж',
              '王小明',
              '小',
              'com',
              'example.com',
              '%',
              '_',
              '\\',
              '%%%',
              '___',
            ),
            constantFrom(
              'o/',
              '0% ',
              "o'b",
              '-s',
              ' ',
              '  ',
              '\\o/',
              '.b@',
              '+y@',
              'li w',
              'LOVE',
              'Aada',
              'adaA',
              '😀',
              '😀 s',
            ),
            string({ maxLength: 5 }),
            string({
              unit: constantFrom('a', 'b', '.', '@', '_', '%', '\\', ' ', 'A', 'ü', 'Ж'),
              maxLength: 4,
            }),
          ),
          filters: record({
            roles: uniqueArray(constantFrom(...ROLES, 'nobody-has-it')),
            statuses: uniqueArray(constantFrom(...STATUSES)),
            emailVerified: option(boolean(), { nil: undefined }),
            mfaEnabled: option(boolean(), { nil: undefined }),
            createTime: range(),
            lastLoginTime: range(),
          }),
          order: constantFrom(...ORDERS),
        }),
        integer({ min: 1, max: 30 }),
        constantFrom(...Object.keys(LOOKS)),
        async (query, limit, looks) => {
          const expected = expectedOf(rows, query);
          const directory = directoryOf(looks);
          const first = await directory.find(query, { after: undefined, limit });
          expect(idsOf(first)).toEqual(expected.slice(0, limit));
          const last = first.at(-1);
          if (last === undefined) return;
          const second = await directory.find(query, { after: last.position, limit });
          expect(idsOf(second)).toEqual(expected.slice(limit, limit * 2));
        },
      ),
      { numRuns: 200 },
    );
  });

  describe.each(Object.keys(LOOKS))('with %s looks', (looks) => {
    it.each(ORDERS)('gives each account once, by $by, descending $descending', async (order) => {
      const query = { text: '', filters: { ...EVERYBODY, statuses: STATUSES }, order };
      const ids = await walkAll(directoryOf(looks), query, 7);
      expect(ids).toEqual(expectedOf(rows, query));
      expect(ids).toHaveLength(rows.length);
    });
  });

  it('gives back an account as it is', async () => {
    const [, row] = rows;
    const query = {
      text: row?.email ?? '',
      filters: EVERYBODY,
      order: { by: 'email', descending: false },
    } as const;
    const [found] = await directoryOf('ordinary').find(query, { after: undefined, limit: 1 });
    const { emailKeyStored: _key, ...user } = row ?? rowOf(1);
    expect(found?.user).toEqual(user);
  });

  it('takes what looks like SQL, a pattern or an expression for plain text', async () => {
    for (const text of [
      "'; drop table users; --",
      '.*',
      '[a-z]+',
      '^a',
      '$1',
      "' or '1'='1",
      '%%',
      '__',
      '(',
      '\\',
      "\\'",
      '\\%',
    ]) {
      const query = { text, filters: EVERYBODY, order: { by: 'email', descending: false } } as const;
      const found = await directoryOf('ordinary').find(query, { after: undefined, limit: 1_000 });
      expect({ text, ids: idsOf(found) }).toEqual({ text, ids: expectedOf(rows, query) });
    }
    expect(
      await directoryOf('ordinary').find(queryFor('x'.repeat(10_000)), { after: undefined, limit: 9 }),
    ).toEqual([]);
  });

  it('runs no match across two fields', async () => {
    const own = await open();
    await insert(own, {
      ...rowOf(1),
      email: 'me@example.com',
      emailKeyStored: 'me@example.com',
      username: 'abc',
      fullName: 'def',
    });
    const directory = userDirectory(own.database.tables);
    const count = async (text: string) =>
      (await directory.find(queryFor(text), { after: undefined, limit: 9 })).length;
    expect([
      await count('abc'),
      await count('def'),
      await count('comabc'),
      await count('abcdef'),
      await count('bcd'),
    ]).toEqual([1, 1, 0, 0, 0]);
    expect([
      await count('ab'),
      await count('me'),
      await count('d'),
      await count('bc'),
      await count('ef'),
    ]).toEqual([1, 1, 1, 0, 0]);
  });

  it.each(ORDERS)(
    'keeps its place while accounts come and change, by $by, descending $descending',
    async (order) => {
      const own = await open();
      const there = Array.from({ length: 60 }, (_, index) => rowOf(index, 'there'));
      for (const row of there) await insert(own, row);
      const query = { text: 'there', filters: EVERYBODY, order };
      const seen: string[] = [];
      let after: UserPosition | undefined;
      for (let page = 0; ; page += 1) {
        const found = await userDirectory(own.database.tables, LOOKS['walking']).find(query, {
          after,
          limit: 7,
        });
        seen.push(...idsOf(found));
        after = found.at(-1)?.position;
        if (after === undefined) break;
        await insert(own, rowOf(1_000 + page, 'there'));
        await sql`update users set last_login_time = now(), full_name = 'there ' || ${String(page)}, mfa_enabled = not mfa_enabled
        where id = ${there[page]?.id ?? ''}::uuid`.execute(own.database.tables);
      }
      expect(new Set(seen).size).toBe(seen.length);
      const expected = expectedOf(there, { ...query, text: '' });
      expect(seen.filter((id) => expected.includes(id))).toEqual(expected);
    },
  );

  it('keeps its place among times that differ by less than a millisecond', async () => {
    const own = await open();
    for (let index = 0; index < 20; index += 1) await insert(own, rowOf(index));
    await sql`update users set create_time = timestamptz '2026-01-01 00:00:00.123456Z' + (random() * 5)::int * interval '1 microsecond'`.execute(
      own.database.tables,
    );
    for (const order of ORDERS) {
      const query = { ...queryFor(''), filters: { ...EVERYBODY, statuses: STATUSES }, order };
      const ids = await walkAll(userDirectory(own.database.tables, LOOKS['walking']), query, 3);
      expect(new Set(ids).size).toBe(20);
      expect(ids).toHaveLength(20);
    }
  });

  it('has no index on what a login writes', async () => {
    const { rows: indexes } = await sql<{ definition: string }>`
      select pg_get_indexdef(indexrelid) as definition from pg_index where indrelid = 'users'::regclass`.execute(
      db.database.tables,
    );
    expect(indexes.length).toBeGreaterThan(5);
    for (const { definition } of indexes) expect(definition).not.toMatch(/last_login_time|password_hash/);
  });
});

function queryFor(text: string): UserQuery {
  return { text, filters: EVERYBODY, order: { by: 'create_time', descending: true } };
}

function range() {
  const time = () =>
    option(
      integer({ min: -20, max: 20 }).map((hours) => NOW + hours * 3_600_000),
      { nil: undefined },
    );
  return record({ start: time(), end: time() });
}

async function walkAll(
  directory: UserDirectory,
  query: UserQuery,
  limit: number,
): Promise<readonly string[]> {
  const ids: string[] = [];
  let after: UserPosition | undefined;
  do {
    const found = await directory.find(query, { after, limit });
    ids.push(...idsOf(found));
    after = found.at(-1)?.position;
  } while (after !== undefined);
  return ids;
}

const idsOf = (found: readonly FoundUser[]) => found.map(({ user }) => user.id);

function rowOf(index: number, word = ''): Row {
  const pick = <Item>(items: readonly Item[], step: number): Item => {
    const item = items[Math.floor(index / step) % items.length];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  };
  const email = `${pick(LOCALS, 1)}${index}@${index % 3 === 0 ? 'Example.com' : 'firma-süd.de'}`;
  const status = index % 11 === 0 ? 'deleted' : pick(['active', 'active', 'suspended'] as const, 2);
  const id = newId();
  return {
    id,
    email,
    emailKeyStored: status === 'deleted' ? `deleted:${id}` : emailKey(email),
    username: index % 4 === 0 ? undefined : `${pick(['Ada', 'x_y', 'Z-9'], 3)}${index}`,
    fullName: `${pick(NAMES, 1)}${word}`,
    role: pick(ROLES, 5),
    status,
    emailVerified: index % 2 === 0,
    mfaEnabled: index % 5 === 0,
    tokenVersion: 1,
    sessionEpoch: 1,
    // Some at the same time: the id decides.
    createTime: NOW + ((index * 7) % 30) * 1_800_000 - 27_000_000,
    updateTime: NOW,
    lastLoginTime: index % 3 === 0 ? undefined : NOW + ((index % 20) - 10) * 3_600_000,
  };
}

async function insert(db: TestStores, row: Row): Promise<void> {
  await db.database.tables
    .insertInto('users')
    .values({
      id: row.id,
      email: row.email,
      email_key: row.emailKeyStored,
      username: row.username ?? null,
      username_key: row.status === 'deleted' ? null : (row.username?.toLowerCase() ?? null),
      full_name: row.fullName,
      role: row.role,
      status: row.status,
      email_verified: row.emailVerified,
      mfa_enabled: row.mfaEnabled,
      token_version: row.tokenVersion,
      session_epoch: row.sessionEpoch,
      create_time: new Date(row.createTime),
      update_time: new Date(row.updateTime),
      last_login_time: row.lastLoginTime === undefined ? null : new Date(row.lastLoginTime),
    })
    .execute();
}

function expectedOf(rows: readonly Row[], query: UserQuery): readonly string[] {
  const found = rows
    .filter((row) => matches(row, query))
    .toSorted((left, right) => compare(left, right, query.order));
  return found.map(({ id }) => id);
}

function matches(row: Row, { text, filters }: UserQuery): boolean {
  const statuses = filters.statuses.length === 0 ? ['active', 'suspended'] : filters.statuses;
  return (
    statuses.includes(row.status) &&
    (filters.roles.length === 0 || filters.roles.includes(row.role)) &&
    (filters.emailVerified ?? row.emailVerified) === row.emailVerified &&
    (filters.mfaEnabled ?? row.mfaEnabled) === row.mfaEnabled &&
    isWithin(row.createTime, filters.createTime) &&
    isWithin(row.lastLoginTime, filters.lastLoginTime) &&
    holds(row, text)
  );
}

function holds({ email, username = '', fullName }: Row, text: string): boolean {
  const sought = text.toLowerCase();
  const fields = [email, username, fullName].map((field) => field.toLowerCase());
  if (text === '') return true;
  return fields.some((field) => ([...text].length < 3 ? field.startsWith(sought) : field.includes(sought)));
}

function isWithin(time: number | undefined, { start, end }: UserFilters['createTime']): boolean {
  if (start === undefined && end === undefined) return true;
  return time !== undefined && time >= (start ?? -Infinity) && time < (end ?? Infinity);
}

function compare(left: Row, right: Row, { by, descending }: UserOrder): number {
  const sign = descending ? -1 : 1;
  if (by === 'create_time' && left.createTime !== right.createTime)
    return sign * (left.createTime - right.createTime);
  if (by === 'create_time') return sign * (left.id < right.id ? -1 : 1);
  return sign * Buffer.compare(Buffer.from(left.emailKeyStored), Buffer.from(right.emailKeyStored));
}
