// The contract of ManagedUserStore, and of what ends keys and locks, on every database.

import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { MINUTE_MS, NOW, sampleApiKey, sampleUser } from '../support/samples.ts';

describeOnEveryDatabase('accounts in the hands of administrators', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });

  const account = async (change: Parameters<typeof sampleUser>[0] = {}) => {
    const made = sampleUser(change);
    await db.stores.users.insert(made);
    return made;
  };
  const setStatus = (id: string, status: string) =>
    db.database.tables.updateTable('users').set({ status }).where('id', '=', id).execute();
  const email = (text: string) => ({ field: 'email', email: { text, key: text.toLowerCase() } }) as const;

  it('shows an account with what only administrators see', async () => {
    const { id } = await account();
    const user = await db.stores.users.findById(id);
    const nothing = { externalId: undefined, suspensionReason: undefined };
    expect(await db.stores.managedUsers.find(id)).toEqual({ user, hasPassword: true, ...nothing });
    await db.transact(({ credentials }) => credentials.removePassword(id, NOW));
    await db.stores.managedUsers.suspend(id, 'abuse', NOW);
    await db.database.tables.updateTable('users').set({ external_id: 'x-1' }).where('id', '=', id).execute();
    expect(await db.stores.managedUsers.find(id)).toMatchObject({
      user: { status: 'suspended' },
      externalId: 'x-1',
      hasPassword: false,
      suspensionReason: 'abuse',
    });
    await db.stores.managedUsers.reactivate(id, NOW);
    expect(await db.stores.managedUsers.find(id)).toMatchObject({
      user: { status: 'active' },
      suspensionReason: undefined,
    });
  });

  it('has no deleted account, and none that never was', async () => {
    const { id } = await account();
    await setStatus(id, 'deleted');
    for (const absent of [id, newId()]) {
      expect(await db.stores.managedUsers.find(absent)).toBeUndefined();
      for (const mode of ['for_update', 'for_share'] as const)
        expect(await db.transact(({ managedUsers }) => managedUsers.lock(absent, mode))).toBeUndefined();
      await expect(db.stores.managedUsers.suspend(absent, '', NOW)).rejects.toThrow('no result');
    }
  });

  it.each(['active', 'suspended'])('changes what is named and nothing else, %s', async (status) => {
    const { id } = await account();
    await setStatus(id, status);
    const before = await db.stores.users.findById(id);
    const address = `${id}@Example.org`;
    const changed = await db.stores.managedUsers.update(
      id,
      [
        email(address),
        { field: 'email_verified', emailVerified: true },
        { field: 'full_name', fullName: '李' },
      ],
      NOW + 1,
    );
    const expected = { ...before, email: address, emailVerified: true, fullName: '李', updateTime: NOW + 1 };
    expect(changed).toEqual(expected);
    expect(await db.stores.users.findByIdentifier(address.toLowerCase())).toMatchObject({ id });
    const removed = [{ field: 'username', username: undefined }] as const;
    expect(await db.stores.managedUsers.update(id, removed, NOW + 2)).toEqual({
      ...expected,
      username: undefined,
      updateTime: NOW + 2,
    });
  });

  it('says which of two unique things is taken', async () => {
    const [first, second] = [await account(), await account()];
    const update = (changes: Parameters<typeof db.stores.managedUsers.update>[1]) =>
      db.stores.managedUsers.update(second.id, changes, NOW);
    expect(await update([email(first.email.key.toUpperCase())])).toBe('email_taken');
    expect(await update([{ field: 'username', username: first.username }])).toBe('username_taken');
    expect(await db.stores.users.findById(second.id)).toMatchObject({ email: second.email.text });
  });

  it('sets the role, and turns the second factor off', async () => {
    const { id } = await account();
    expect(await db.stores.managedUsers.setRole(id, 'moderator', NOW)).toMatchObject({ role: 'moderator' });
    await db.stores.users.setMfaEnabled(id, true, NOW);
    await setStatus(id, 'suspended');
    expect(await db.stores.managedUsers.turnOffMfa(id, NOW)).toMatchObject({ mfaEnabled: false });
  });

  it('holds roles that there are', async () => {
    const lockRole = (name: string) => db.transact(({ managedUsers }) => managedUsers.lockRole(name));
    expect(await lockRole('moderator')).toBe(true);
    expect(await lockRole('nobody')).toBe(false);
  });

  it('ends every key of a person and no other, for good, and notifies watchers', async () => {
    const [owner, other] = [await account(), await account()];
    const insert = async (change: Parameters<typeof sampleApiKey>[1] = {}, ownerId = owner.id) => {
      const key = sampleApiKey(ownerId, change);
      await db.stores.apiKeys.insert(key);
      return key.id;
    };
    const [plain, expiring, revoked] = [
      await insert(),
      await insert({ expireTime: NOW + 1 }),
      await insert(),
    ];
    const [theirs, ofService] = [await insert({}, other.id), await insert({ ownerKind: 'service' })];
    await db.stores.apiKeys.revoke(revoked, NOW - 1);
    // One that was to end later, after a rotation.
    await db.stores.revocations.insert({
      form: 'session',
      id: plain,
      effectTime: NOW + MINUTE_MS,
      revokeTime: NOW,
      expireTime: NOW + MINUTE_MS,
    });
    const ended = await db.transact(({ ownApiKeys }) =>
      ownApiKeys.endAll(owner.id, NOW, NOW + 2 * MINUTE_MS),
    );
    expect(ended.map(({ id }) => id).toSorted()).toEqual([plain, expiring].toSorted());
    expect(ended[0]).toMatchObject({ form: 'session', revokeTime: NOW, expireTime: NOW + 2 * MINUTE_MS });
    const { revocations } = await db.stores.revocations.snapshot(NOW);
    const stored = revocations.find(({ id }) => id === plain);
    expect(stored).toEqual({ form: 'session', id: plain, revokeTime: NOW, expireTime: NOW + 2 * MINUTE_MS });
    const revokeTimes = await Promise.all(
      [plain, expiring, revoked, theirs, ofService].map(
        async (id) => (await db.stores.apiKeys.find(id))?.revokeTime,
      ),
    );
    expect(revokeTimes).toEqual([NOW, NOW, NOW - 1, undefined, undefined]);
    expect(await db.transact(({ ownApiKeys }) => ownApiKeys.endAll(owner.id, NOW, NOW))).toEqual([]);
  });

  it('deletes a lock that has not expired, once', async () => {
    const key = `user:${newId()}`;
    const rule = { maxFailures: 1, lockMs: MINUTE_MS };
    await db.stores.lockouts.count(key, NOW, rule);
    await db.stores.lockouts.count(key, NOW, { ...rule, maxFailures: 2 });
    expect(await db.stores.lockouts.findLocks([key], NOW)).toEqual(new Map([[key, NOW + MINUTE_MS]]));
    expect(await db.stores.lockouts.deleteAll([key])).toBe(true);
    expect(await db.stores.lockouts.findLocks([key], NOW)).toEqual(new Map());
    expect(await db.stores.lockouts.deleteAll([key])).toBe(false);
  });
});
