// The contract of CredentialStore, on every database.

import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { NOW, sampleUser } from '../support/samples.ts';

describeOnEveryDatabase('CredentialStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  const set = (userId: string, hash: string) =>
    db.transact(({ credentials }) => credentials.setPasswordHash(userId, hash, NOW + 1));
  const replace = (userId: string, checkedHash: string, newHash = 'new') =>
    db.transact(({ credentials }) =>
      credentials.replacePasswordHash({ userId, checkedHash, newHash, now: NOW + 1 }),
    );
  const found = (key: string) => db.stores.users.findByIdentifier(key);
  const insert = async (passwordHash: string | undefined) => {
    const user = sampleUser({ passwordHash });
    await db.stores.users.insert(user);
    return user;
  };
  const setStatus = (id: string, status: string) =>
    db.database.tables.updateTable('users').set({ status }).where('id', '=', id).execute();

  it('sets the hash of an active account, also of one that had none, and of no other', async () => {
    const [user, bare, other] = [sampleUser(), sampleUser({ passwordHash: undefined }), sampleUser()];
    for (const account of [user, bare, other]) await db.stores.users.insert(account);
    expect(await set(user.id, 'new')).toBe(true);
    expect(await set(bare.id, 'first')).toBe(true);
    expect(await found(user.email.key)).toMatchObject({ passwordHash: 'new', updateTime: NOW + 1 });
    expect(await found(bare.email.key)).toMatchObject({ passwordHash: 'first' });
    expect(await found(other.email.key)).toMatchObject({ passwordHash: other.passwordHash, updateTime: NOW });
  });

  it('leaves an account that is suspended, deleted or unknown as it is', async () => {
    const user = await insert('old');
    for (const status of ['suspended', 'deleted']) {
      await setStatus(user.id, status);
      expect(await set(user.id, 'new')).toBe(false);
      expect(await replace(user.id, 'old')).toBeUndefined();
    }
    expect(await set(newId(), 'new')).toBe(false);
    expect(await replace(newId(), 'old')).toBeUndefined();
    await setStatus(user.id, 'active');
    expect(await found(user.email.key)).toMatchObject({ passwordHash: 'old', updateTime: NOW });
  });

  it('replaces the hash that was checked, of one account, and neither epoch', async () => {
    const [user, other] = [await insert('old'), await insert('old')];
    const replaced = await replace(user.id, 'old');
    expect(replaced).toMatchObject({ id: user.id, tokenVersion: 1, sessionEpoch: 1, updateTime: NOW + 1 });
    expect(await found(user.email.key)).toEqual({ ...replaced, passwordHash: 'new' });
    expect(await found(other.email.key)).toMatchObject({ passwordHash: 'old', updateTime: NOW });
  });

  it('replaces nothing when another hash is stored, or none', async () => {
    const [user, bare] = [await insert('old'), await insert(undefined)];
    for (const checkedHash of ['other', 'OLD', '']) {
      expect(await replace(user.id, checkedHash)).toBeUndefined();
      expect(await replace(bare.id, checkedHash)).toBeUndefined();
    }
    expect(await found(user.email.key)).toMatchObject({ passwordHash: 'old', updateTime: NOW });
    expect(await found(bare.email.key)).toMatchObject({ passwordHash: undefined, updateTime: NOW });
  });

  const remove = (userId: string) =>
    db.transact(({ credentials }) => credentials.removePassword(userId, NOW + 1));
  const superseded = (userId: string, since = NOW) => db.stores.credentials.findSuperseded(userId, since);

  it('keeps the hash that was replaced last, whatever replaced it, and no other', async () => {
    const [user, other, bare] = [await insert('first'), await insert('other'), await insert(undefined)];
    expect(await superseded(user.id)).toBeUndefined();
    await replace(user.id, 'first', 'second');
    expect(await superseded(user.id)).toBe('first');
    await set(user.id, 'third');
    expect(await superseded(user.id)).toBe('second');
    expect(await remove(user.id)).toBe(true);
    expect(await superseded(user.id)).toBe('third');
    await set(user.id, 'fourth');
    expect(await superseded(user.id)).toBe('third');
    await set(bare.id, 'first');
    for (const id of [other.id, bare.id, newId()]) expect(await superseded(id)).toBeUndefined();
  });

  it('finds a superseded hash for as long as it was asked to', async () => {
    const user = await insert('first');
    await set(user.id, 'second');
    expect(await superseded(user.id, NOW)).toBe('first');
    expect(await superseded(user.id, NOW + 1)).toBeUndefined();
  });

  it('keeps no hash of a replacement that came to nothing', async () => {
    const user = await insert('first');
    await setStatus(user.id, 'suspended');
    expect(await set(user.id, 'second')).toBe(false);
    expect(await remove(user.id)).toBe(false);
    expect(await superseded(user.id)).toBeUndefined();
  });

  it("takes the password away once, and no other account's", async () => {
    const [user, other] = [await insert('first'), await insert('other')];
    expect(await Promise.all([remove(user.id), remove(user.id)])).toEqual(
      expect.arrayContaining([true, false]),
    );
    expect(await found(user.email.key)).toMatchObject({ passwordHash: undefined, updateTime: NOW + 1 });
    expect(await found(other.email.key)).toMatchObject({ passwordHash: 'other' });
    expect(await superseded(user.id)).toBe('first');
  });

  it('lets one of many replacements at once win', async () => {
    const user = await insert('old');
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => replace(user.id, 'old', `new ${index}`)),
    );
    expect(outcomes.filter((outcome) => outcome !== undefined)).toHaveLength(1);
    const winner = outcomes.findIndex((outcome) => outcome !== undefined);
    expect(await found(user.email.key)).toMatchObject({ passwordHash: `new ${winner}` });
  });
});
