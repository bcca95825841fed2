// The contract of EmailStore, on every database.

import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { NOW, sampleUser } from '../support/samples.ts';

const LATER = NOW + 60_000;

describeOnEveryDatabase('EmailStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  const account = async (change: Parameters<typeof sampleUser>[0] = {}) => {
    const user = sampleUser(change);
    await db.stores.users.insert(user);
    return user;
  };
  const setStatus = (id: string, status: string) =>
    db.database.tables.updateTable('users').set({ status }).where('id', '=', id).execute();
  const stored = (id: string) => db.stores.users.findById(id);
  const markVerified = (id: string, key: string) =>
    db.transact(({ emails }) => emails.markVerified(id, key, LATER));
  const replace = (id: string, email: { text: string; key: string }) =>
    db.transact(({ emails }) => emails.replace(id, email, LATER));

  it('finds an account by id and by the key of its address, suspended ones too, deleted ones not', async () => {
    const user = await account();
    for (const status of ['active', 'suspended']) {
      await setStatus(user.id, status);
      const found = await stored(user.id);
      await db.transact(async ({ emails }) => {
        expect(await emails.lockById(user.id)).toEqual(found);
        expect(await emails.lockByKey(user.email.key)).toEqual(found);
        expect(await emails.findByKey(user.email.key)).toEqual(found);
      });
    }
    await setStatus(user.id, 'deleted');
    await db.transact(async ({ emails }) => {
      expect(await emails.lockById(user.id)).toBeUndefined();
      expect(await emails.lockByKey(user.email.key)).toBeUndefined();
      expect(await emails.findByKey(user.email.key)).toBeUndefined();
      expect(await emails.lockById(newId())).toBeUndefined();
      expect(await emails.lockByKey(user.email.text)).toBeUndefined();
    });
  });

  it('holds an account until the transaction ends: 20 at once take turns', async () => {
    const user = await account();
    const add = () =>
      db.transact(async ({ emails }) => {
        const held = await emails.lockByKey(user.email.key);
        return emails.replace(user.id, { text: `${held?.email ?? ''}+`, key: user.email.key }, LATER);
      });
    await Promise.all(Array.from({ length: 20 }, add));
    expect((await stored(user.id))?.email).toBe(user.email.text + '+'.repeat(20));
  });

  it('notes that an address is proved, while it is the account’s and the account is active', async () => {
    const user = await account();
    expect(await markVerified(user.id, 'other@example.com')).toBeUndefined();
    expect(await markVerified(newId(), user.email.key)).toBeUndefined();
    await setStatus(user.id, 'suspended');
    expect(await markVerified(user.id, user.email.key)).toBeUndefined();
    await setStatus(user.id, 'active');
    expect(await stored(user.id)).toMatchObject({ emailVerified: false, updateTime: NOW });
    const proofs = await Promise.all(Array.from({ length: 5 }, () => markVerified(user.id, user.email.key)));
    expect(proofs.filter((proof) => proof === 'first')).toHaveLength(1);
    expect(proofs.filter((proof) => proof === 'again')).toHaveLength(4);
    expect(await stored(user.id)).toMatchObject({ emailVerified: true, updateTime: LATER });
  });

  it('replaces an address, which frees the old one', async () => {
    const [user, other] = [await account(), sampleUser()];
    expect(await replace(user.id, other.email)).toBe('replaced');
    expect(await stored(user.id)).toMatchObject({
      email: other.email.text,
      emailVerified: true,
      updateTime: LATER,
    });
    expect((await db.stores.users.findByIdentifier(other.email.key))?.id).toBe(user.id);
    expect(await db.stores.users.insert(sampleUser({ email: user.email }))).toBe('inserted');
  });

  it('reports that an address is taken, changes nothing, and goes on with the transaction', async () => {
    const [user, other, third] = [await account(), await account(), sampleUser()];
    const outcomes = await db.transact(async (stores) => [
      await stores.emails.replace(user.id, other.email, LATER),
      await stores.users.insert(third),
      await stores.emails.replace(user.id, other.email, LATER),
    ]);
    expect(outcomes).toEqual(['taken', 'inserted', 'taken']);
    expect(await stored(user.id)).toMatchObject({ email: user.email.text, updateTime: NOW });
    expect(await stored(third.id)).toBeDefined();
  });

  it('gives an address to one of 20 that want it at once', async () => {
    const users = await Promise.all(Array.from({ length: 20 }, () => account()));
    const wanted = sampleUser().email;
    const outcomes = await Promise.all(users.map(({ id }) => replace(id, wanted)));
    expect(outcomes.filter((outcome) => outcome === 'replaced')).toHaveLength(1);
  });
});
