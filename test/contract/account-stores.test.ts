// The contracts of ProfileStore, AccountDeletionStore and AccountArchive, on every database.

import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import { auditEvent } from '../../src/domain/audit/record.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { MINUTE_MS, NOW, ORIGIN, sampleApiKey, sampleSession, sampleUser } from '../support/samples.ts';

describeOnEveryDatabase('accounts in the hands of their owners', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });

  const account = async (change: Parameters<typeof sampleUser>[0] = {}) => {
    const user = sampleUser(change);
    await db.stores.users.insert(user);
    return user;
  };
  const rename = (userId: string, name: string) =>
    db.transact(({ profiles }) =>
      profiles.update(
        userId,
        [{ field: 'username', username: { text: name, key: name.toLowerCase() } }],
        NOW + 1,
      ),
    );
  const setStatus = (id: string, status: string) =>
    db.database.tables.updateTable('users').set({ status }).where('id', '=', id).execute();

  it('ProfileStore changes what is named and nothing else', async () => {
    const user = await account();
    const before = await db.stores.users.findById(user.id);
    const byName = [{ field: 'full_name', fullName: 'Zoë 李' }] as const;
    expect(await db.stores.profiles.update(user.id, byName, NOW + 1)).toEqual({
      ...before,
      fullName: 'Zoë 李',
      updateTime: NOW + 1,
    });
    expect(await rename(user.id, `${user.username?.text.toLowerCase()}-X`)).toMatchObject({
      fullName: 'Zoë 李',
    });
    expect(await db.stores.users.findByIdentifier(`${user.username?.key}-x`)).toMatchObject({ id: user.id });
    const none = [{ field: 'username', username: undefined }] as const;
    expect(await db.stores.profiles.update(user.id, none, NOW + 2)).toMatchObject({ username: undefined });
    expect(await db.stores.users.findByIdentifier(`${user.username?.key}-x`)).toBeUndefined();
  });

  it('ProfileStore takes the own name in other letters, and gives a free one to one of many', async () => {
    const [first, ...others] = await Promise.all(Array.from({ length: 10 }, () => account()));
    const own = first?.username?.text ?? '';
    expect(await rename(first?.id ?? '', own.toLowerCase())).toMatchObject({ username: own.toLowerCase() });
    for (const { id } of others) expect(await rename(id, own)).toBe('username_taken');
    const wanted = `w-${newId().slice(-12)}`;
    const outcomes = await Promise.all(others.map(({ id }) => rename(id, wanted)));
    expect(outcomes.filter((outcome) => outcome !== 'username_taken')).toHaveLength(1);
  });

  it.each(['suspended', 'deleted'])(
    'ProfileStore changes nothing of an account that is %s',
    async (status) => {
      const user = await account();
      await setStatus(user.id, status);
      expect(await rename(user.id, 'another')).toBeUndefined();
      expect(await rename(newId(), 'another')).toBeUndefined();
    },
  );

  it('AccountDeletionStore deletes everything of the account, and of no other', async () => {
    const [user, other] = [await account(), await account()];
    for (const { id } of [user, other]) {
      await db.stores.apiKeys.insert(sampleApiKey(id));
      await db.stores.sessions.insert(sampleSession(id));
      const digest = Buffer.alloc(32, 7);
      const { tables } = db.database;
      await tables
        .insertInto('totp_factors')
        .values({
          user_id: id,
          enrolment: newId(),
          sealed_secret: digest,
          confirm_time: new Date(NOW),
          create_time: new Date(NOW),
          last_used_step: '0',
        })
        .execute();
      await tables.insertInto('backup_codes').values({ user_id: id, digest }).execute();
      await tables
        .insertInto('known_devices')
        .values({ user_id: id, fingerprint: digest, last_seen_time: new Date(NOW) })
        .execute();
      await db.stores.actionTokens.insert({
        id: newId(),
        purpose: 'password_reset',
        userId: id,
        digest,
        payload: {},
        createTime: NOW,
        expireTime: NOW + MINUTE_MS,
      });
      await tables.updateTable('users').set({ mfa_enabled: true }).where('id', '=', id).execute();
    }
    const belongings = async (id: string) => {
      const tables = ['totp_factors', 'backup_codes', 'known_devices', 'action_tokens'] as const;
      const rows = await Promise.all(
        tables.map((table) =>
          db.database.tables.selectFrom(table).select('user_id').where('user_id', '=', id).execute(),
        ),
      );
      return rows.map((found) => found.length);
    };
    expect(await belongings(user.id)).toEqual([1, 1, 1, 1]);
    await db.stores.accountDeletions.erase(user.id, NOW + 1);
    expect(await belongings(user.id)).toEqual([0, 0, 0, 0]);
    expect(await belongings(other.id)).toEqual([1, 1, 1, 1]);
    expect(await db.stores.users.findById(user.id)).toBeUndefined();
    expect(await db.stores.users.findById(other.id)).toMatchObject({ status: 'active', mfaEnabled: true });
    const [key] = await db.stores.accountArchive.apiKeysOf(user.id, 10);
    expect(await db.stores.apiKeys.find(key?.id ?? '')).toMatchObject({ ownerActive: false });
    const row = await db.database.tables
      .selectFrom('users')
      .selectAll()
      .where('id', '=', user.id)
      .executeTakeFirst();
    expect(row).toMatchObject({
      status: 'deleted',
      password_hash: null,
      email_key: `deleted:${user.id}`,
      username_key: null,
      mfa_enabled: false,
    });
    // Free again.
    expect(await db.stores.users.insert(sampleUser({ email: user.email, username: user.username }))).toBe(
      'inserted',
    );
  });

  it('AccountDeletionStore leaves one of those with a role, however many go at once', async () => {
    await db.database.tables
      .insertInto('roles')
      .values({ name: 'keeper', scopes: [], built_in: false })
      .execute();
    const keepers = await Promise.all(Array.from({ length: 8 }, () => account({ role: 'keeper' })));
    const suspended = await account({ role: 'keeper' });
    await setStatus(suspended.id, 'suspended');
    const deletions = await Promise.all(
      keepers.map(({ id }) =>
        db.transact(async ({ accountDeletions }) => {
          if ((await accountDeletions.countOthersWithRole(id, 'keeper')) === 0) return 'stays';
          await accountDeletions.erase(id, NOW);
          return 'goes';
        }),
      ),
    );
    expect(deletions.filter((ending) => ending === 'stays')).toHaveLength(1);
  });

  it('AccountArchive answers keys and events newest first, and counts the rest', async () => {
    const user = await account();
    expect(await db.stores.accountArchive.factorsOf(user.id)).toEqual({
      totpConfirmTime: undefined,
      backupCodesLeft: 0,
      knownDevices: 0,
    });
    const keys = [0, 1, 2].map((age) =>
      sampleApiKey(user.id, { createTime: NOW - age * MINUTE_MS, expireTime: NOW + MINUTE_MS }),
    );
    for (const key of keys.toReversed()) await db.stores.apiKeys.insert(key);
    await db.stores.apiKeys.insert(sampleApiKey(user.id, { ownerKind: 'service' }));
    const found = await db.stores.accountArchive.apiKeysOf(user.id, 2);
    expect(found.map(({ id }) => id)).toEqual(keys.slice(0, 2).map(({ id }) => id));
    expect(found[0]).toEqual({
      id: keys[0]?.id,
      displayName: 'key',
      scopes: ['account:read'],
      allowedCidrs: [],
      createTime: NOW,
      expireTime: NOW + MINUTE_MS,
      revokeTime: undefined,
      lastUsedTime: undefined,
      useCount: 0,
    });
    const events = [3, 2, 1].map((age) =>
      auditEvent(
        { clock: { now: () => NOW - age }, newId },
        {
          kind: 'account.update',
          outcome: age === 2 ? 'refused' : 'success',
          accountId: user.id,
          origin: ORIGIN,
          ...(age === 2
            ? { reason: 'USERNAME_TAKEN' }
            : { details: { fields: 'full_name' }, actorId: user.id }),
        },
      ),
    );
    for (const event of events) await db.stores.audit.append(event);
    await db.stores.audit.append({ ...events[0]!, id: newId(), accountId: newId() });
    expect(await db.stores.accountArchive.eventsOf(user.id, 10)).toEqual(events.toReversed());
    expect(await db.stores.accountArchive.eventsOf(user.id, 1)).toEqual(events.slice(2));
  });
});
