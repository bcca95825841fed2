// The contract of RoleEditor on every database, and on Postgres what happens when several change roles, or give them away, at once.

import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import { COMMAND_LINE } from '../../src/domain/access/authority.ts';
import { deleteRole } from '../../src/domain/access/delete-role.ts';
import { RoleDirectory } from '../../src/domain/access/role.ts';
import { upsertRole } from '../../src/domain/access/upsert-role.ts';
import { describeOnEveryDatabase, describeOnPostgres, type TestStores } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { refusal } from '../support/matchers.ts';
import { NOW, ORIGIN, sampleUser } from '../support/samples.ts';

const depsOver = (db: TestStores) => ({
  clock: new FakeClock(NOW),
  newId,
  audit: db.stores.audit,
  roles: db.stores.roles,
  transact: db.transact,
  roleDirectory: new RoleDirectory(),
  accessTokenSizer: () => 0,
  onRolesUnread: (error: unknown) => {
    throw error;
  },
});
const caller = { actor: COMMAND_LINE, origin: ORIGIN };
/** What the call resolves to, or the error that it ends in. */
const endOf = (call: Promise<unknown>) => call.catch((error: unknown) => error);
const role = (name: string, inherits?: string) => ({ name, inherits, scopes: [`${name}:x`] });

describeOnEveryDatabase('RoleEditor', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });

  it('writes a role, and changes it, and leaves the built-in mark', async () => {
    const { roleEditor } = db.stores;
    await roleEditor.upsert(role('clerk', 'user'));
    const find = async (name: string) => (await roleEditor.list()).find((found) => found.name === name);
    expect(await find('clerk')).toEqual({ ...role('clerk', 'user'), builtIn: false });
    await roleEditor.upsert({ name: 'clerk', inherits: undefined, scopes: ["a'b", '%', '{}', 'ü'] });
    expect(await find('clerk')).toEqual({
      name: 'clerk',
      inherits: undefined,
      scopes: ["a'b", '%', '{}', 'ü'],
      builtIn: false,
    });
    await roleEditor.upsert({ name: 'user', inherits: undefined, scopes: ['more'] });
    expect(await find('user')).toMatchObject({ scopes: ['more'], builtIn: true });
    await roleEditor.delete('clerk');
  });

  it('counts accounts that are not deleted', async () => {
    const { roleEditor, users } = db.stores;
    await roleEditor.upsert(role('clerk'));
    const [active, suspended, deleted] = [1, 2, 3].map(() => sampleUser({ role: 'clerk' }));
    for (const user of [active, suspended, deleted, sampleUser()])
      if (user !== undefined) await users.insert(user);
    const setStatus = (id: string | undefined, status: string) =>
      db.database.tables
        .updateTable('users')
        .set({ status })
        .where('id', '=', id ?? '')
        .execute();
    await setStatus(suspended?.id, 'suspended');
    await setStatus(deleted?.id, 'deleted');
    expect(await roleEditor.countUsers()).toEqual(
      new Map([
        ['clerk', 2],
        ['user', 1],
      ]),
    );
    expect(await db.transact((stores) => stores.roleEditor.lockUsersOf('clerk'))).toBe(2);
    expect(await db.transact((stores) => stores.roleEditor.lockUsersOf('no-such'))).toBe(0);
  });

  it('does not take a role from an account that is there, whatever its caller thinks', async () => {
    await db.stores.roleEditor.upsert(role('kept'));
    await db.stores.users.insert(sampleUser({ role: 'kept' }));
    await expect(db.stores.roleEditor.delete('kept')).rejects.toThrow(/role/);
    expect((await db.stores.roles.list()).map(({ name }) => name)).toContain('kept');
  });

  it('an account with a role that is gone is refused by its name', async () => {
    const lost = db.stores.users.insert(sampleUser({ role: 'no-such' }));
    await expect(lost).rejects.toEqual(refusal('ROLE_NOT_FOUND'));
    const inTransaction = db.transact(({ users }) => users.insert(sampleUser({ role: 'no-such' })));
    await expect(inTransaction).rejects.toEqual(refusal('ROLE_NOT_FOUND'));
  });
});

describeOnPostgres('Changes of roles at once', (open) => {
  const waitsForLock = async (db: TestStores) =>
    eventually(async () => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(db.database.tables);
      return (rows[0]?.count ?? 0) > 0;
    });

  it('never make roles inherit each other', async () => {
    const db = await open();
    const deps = depsOver(db);
    for (const name of ['one', 'two', 'three', 'four'])
      await upsertRole(deps, { ...caller, role: role(name) });
    for (let round = 0; round < 10; round += 1) {
      const outcomes = await Promise.allSettled([
        upsertRole(deps, { ...caller, role: role('one', 'two') }),
        upsertRole(deps, { ...caller, role: role('two', 'three') }),
        upsertRole(deps, { ...caller, role: role('three', 'four') }),
        upsertRole(deps, { ...caller, role: role('four', 'one') }),
      ]);
      const refused = outcomes.filter(({ status }) => status === 'rejected');
      expect(refused).toHaveLength(1);
      for (const name of ['one', 'two', 'three', 'four'])
        await upsertRole(deps, { ...caller, role: role(name) });
    }
  });

  it('never make more roles than there can be', async () => {
    const db = await open();
    const deps = depsOver(db);
    const values = Array.from({ length: 194 }, (_, index) => ({
      name: `role-${index}`,
      scopes: [],
      built_in: false,
    }));
    await db.database.tables.insertInto('roles').values(values).execute();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => upsertRole(deps, { ...caller, role: role(`new-${index}`) })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(await db.stores.roles.list()).toHaveLength(200);
  });

  it('a role that an account is just getting stays', async () => {
    const db = await open();
    await db.stores.roleEditor.upsert(role('clerk'));
    const [given, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const giving = db.transact(async ({ users }) => {
      await users.insert(sampleUser({ role: 'clerk' }));
      given.resolve();
      await gate.promise;
    });
    await given.promise;
    const deleting = deleteRole(depsOver(db), { ...caller, name: 'clerk' });
    const ending = endOf(deleting);
    await waitsForLock(db).finally(gate.resolve);
    await giving;
    expect(await ending).toEqual(refusal('ROLE_IN_USE'));
  });

  it('an account that is to get a role that is just going is refused', async () => {
    const db = await open();
    await db.stores.roleEditor.upsert(role('clerk'));
    const user = sampleUser();
    await db.stores.users.insert(user);
    const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const deleting = db.transact(async ({ roleEditor }) => {
      await roleEditor.lockAll();
      expect(await roleEditor.lockUsersOf('clerk')).toBe(0);
      held.resolve();
      await gate.promise;
      await roleEditor.delete('clerk');
    });
    await held.promise;
    const inserting = db.stores.users.insert(sampleUser({ role: 'clerk' }));
    const ending = endOf(inserting);
    await waitsForLock(db).finally(gate.resolve);
    await deleting;
    expect(await ending).toEqual(refusal('ROLE_NOT_FOUND'));
  });

  it('do not block logins, registrations or reads of roles', async () => {
    const db = await open();
    const user = sampleUser();
    await db.stores.users.insert(user);
    await db.transact(async ({ roleEditor }) => {
      await roleEditor.lockAll();
      await db.stores.users.insert(sampleUser());
      await db.stores.users.markSecondFactor(user.id, NOW);
      expect(await db.stores.roles.list()).toHaveLength(4);
    });
  });
});
