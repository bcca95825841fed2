// The contract of UserStore, on every database.

import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { NOW, sampleUser } from '../support/samples.ts';

describeOnEveryDatabase('UserStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  const setStatus = (id: string, status: string) =>
    db.database.tables.updateTable('users').set({ status }).where('id', '=', id).execute();

  it('finds what was inserted, by id and by either key', async () => {
    const { users } = db.stores;
    const user = sampleUser({
      fullName: 'Zoë 李 🔑',
      role: 'admin',
      emailVerified: true,
      createTime: NOW + 7,
    });
    expect(await users.insert(user)).toBe('inserted');
    const found = await users.findById(user.id);
    expect(found).toEqual({
      id: user.id,
      email: user.email.text,
      username: user.username?.text,
      fullName: 'Zoë 李 🔑',
      role: 'admin',
      status: 'active',
      emailVerified: true,
      mfaEnabled: false,
      tokenVersion: 1,
      sessionEpoch: 1,
      createTime: NOW + 7,
      updateTime: NOW + 7,
      lastLoginTime: undefined,
    });
    const withPassword = { ...found, passwordHash: user.passwordHash };
    expect(await users.findWithPassword(user.id)).toEqual(withPassword);
    expect(await users.findByIdentifier(user.email.key)).toEqual(withPassword);
    expect(await users.findByIdentifier(user.username?.key ?? '')).toEqual(withPassword);
  });

  it('finds each of many who ask at once, and nobody for an id that is unknown or deleted', async () => {
    const { users } = db.stores;
    const accounts = Array.from({ length: 20 }, () => sampleUser());
    for (const user of accounts) await users.insert(user);
    const [deleted, ...others] = accounts.map(({ id }) => id);
    await setStatus(deleted ?? '', 'deleted');
    const asked = [...others, newId(), deleted ?? '', ...others];
    const found = await Promise.all(asked.map((id) => users.findById(id)));
    expect(found.map((user) => user?.id)).toEqual([...others, undefined, undefined, ...others]);
  });

  it('lets one id that is no UUID fail alone', async () => {
    const { users } = db.stores;
    const user = sampleUser();
    await users.insert(user);
    const [good, bad] = await Promise.allSettled([users.findById(user.id), users.findById('x')]);
    expect(good).toMatchObject({ status: 'fulfilled', value: { id: user.id } });
    expect(bad.status).toBe('rejected');
  });

  it('finds no user by a text that is a key of no kind', async () => {
    const { users } = db.stores;
    const user = sampleUser();
    await users.insert(user);
    expect(await users.findById(newId())).toBeUndefined();
    expect(await users.findWithPassword(newId())).toBeUndefined();
    for (const key of ['', '@', 'nobody', "' or 1=1 --", user.email.text, user.username?.text ?? '']) {
      expect(await users.findByIdentifier(key)).toBeUndefined();
    }
  });

  it('takes any number of accounts without user name or password', async () => {
    const bare = [1, 2].map(() => sampleUser({ username: undefined, passwordHash: undefined }));
    for (const user of bare) expect(await db.stores.users.insert(user)).toBe('inserted');
    expect(await db.stores.users.findByIdentifier(bare[0]?.email.key ?? '')).toMatchObject({
      username: undefined,
      passwordHash: undefined,
    });
    expect(await db.stores.users.findWithPassword(bare[0]?.id ?? '')).toHaveProperty(
      'passwordHash',
      undefined,
    );
  });

  it('reports which key is taken and goes on with the transaction', async () => {
    const first = sampleUser();
    await db.stores.users.insert(first);
    const fresh = sampleUser();
    const outcomes = await db.transact(async ({ users }) => [
      await users.insert(sampleUser({ email: first.email })),
      await users.insert(sampleUser({ email: first.email, username: undefined })),
      await users.insert(sampleUser({ username: first.username })),
      await users.insert(sampleUser({ email: first.email, username: first.username })),
      await users.insert(fresh),
    ]);
    expect(outcomes).toEqual(['email_taken', 'email_taken', 'username_taken', 'username_taken', 'inserted']);
    expect(await db.stores.users.findById(fresh.id)).toBeDefined();
  });

  it('gives a key to one of many that want it at once', async () => {
    const wanted = sampleUser();
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => db.stores.users.insert(sampleUser({ email: wanted.email }))),
    );
    expect(outcomes.toSorted()).toEqual([...Array.from({ length: 19 }, () => 'email_taken'), 'inserted']);
  });

  it('notes a login, and replaces the hash when asked to', async () => {
    const { users } = db.stores;
    const user = sampleUser();
    await users.insert(user);
    const mark = { userId: user.id, checkedHash: user.passwordHash ?? '', newHash: undefined, now: NOW + 5 };
    expect(await users.markLogin(mark)).toMatchObject({ id: user.id, lastLoginTime: NOW + 5 });
    expect(await users.markLogin({ ...mark, newHash: 'new', now: NOW + 6 })).toMatchObject({
      lastLoginTime: NOW + 6,
    });
    expect(await users.findByIdentifier(user.email.key)).toMatchObject({ passwordHash: 'new' });
    expect(await users.markLogin({ ...mark, now: NOW + 7 })).toBeUndefined();
    expect(await users.findById(user.id)).toMatchObject({ lastLoginTime: NOW + 6 });
  });

  it.each(['suspended', 'deleted'])(
    'notes no login of an account that is %s concurrently',
    async (status) => {
      const user = sampleUser();
      await db.stores.users.insert(user);
      await setStatus(user.id, status);
      const mark = { userId: user.id, checkedHash: user.passwordHash ?? '', newHash: 'new', now: NOW };
      expect(await db.stores.users.markLogin(mark)).toBeUndefined();
    },
  );

  it('does not find the deleted, and keeps their keys taken', async () => {
    const { users } = db.stores;
    const user = sampleUser();
    await users.insert(user);
    await setStatus(user.id, 'deleted');
    expect(await users.findById(user.id)).toBeUndefined();
    expect(await users.findWithPassword(user.id)).toBeUndefined();
    expect(await users.findByIdentifier(user.email.key)).toBeUndefined();
    expect(await users.findByIdentifier(user.username?.key ?? '')).toBeUndefined();
    expect(await users.insert(sampleUser({ email: user.email }))).toBe('email_taken');
  });

  it('raises both epochs by one for each of many calls at once', async () => {
    const { users } = db.stores;
    const user = sampleUser();
    await users.insert(user);
    const versions = await Promise.all(Array.from({ length: 20 }, () => users.raiseEpochs(user.id, NOW + 9)));
    expect(versions.toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 2),
    );
    expect(await users.findById(user.id)).toMatchObject({
      tokenVersion: 21,
      sessionEpoch: 21,
      updateTime: NOW + 9,
    });
    expect(await users.raiseEpochs(newId(), NOW)).toBeUndefined();
  });

  it('turns the second factor on and off, each once of any number at once', async () => {
    const { users } = db.stores;
    const user = sampleUser();
    await users.insert(user);
    for (const enabled of [true, false]) {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, () => users.setMfaEnabled(user.id, enabled, NOW + 5)),
      );
      const done = outcomes.filter((outcome) => outcome !== undefined);
      expect(done).toMatchObject([{ id: user.id, mfaEnabled: enabled, updateTime: NOW + 5 }]);
      expect(await users.findById(user.id)).toEqual(done[0]);
    }
    await setStatus(user.id, 'suspended');
    expect(await users.setMfaEnabled(user.id, true, NOW)).toBeUndefined();
    expect(await users.setMfaEnabled(newId(), true, NOW)).toBeUndefined();
  });
});
