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
  const found = (key: string) => db.stores.users.findByIdentifier(key);

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
    const user = sampleUser();
    await db.stores.users.insert(user);
    for (const status of ['suspended', 'deleted']) {
      await db.database.tables.updateTable('users').set({ status }).where('id', '=', user.id).execute();
      expect(await set(user.id, 'new')).toBe(false);
    }
    expect(await set(newId(), 'new')).toBe(false);
    await db.database.tables
      .updateTable('users')
      .set({ status: 'active' })
      .where('id', '=', user.id)
      .execute();
    expect(await found(user.email.key)).toMatchObject({ passwordHash: user.passwordHash, updateTime: NOW });
  });
});
