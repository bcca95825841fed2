// The contracts of ApiKeyStore, ServiceAccountStore and SigningKeyStore, on every database.

import { randomBytes } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import { Keyset } from '../../src/crypto/keys/keyset.ts';
import { MasterKey } from '../../src/crypto/keys/master-key.ts';
import { signingKeyMaker } from '../../src/crypto/keys/signing-keys.ts';
import type { SigningAlgorithm } from '../../src/domain/keyset/signing-key.ts';
import { maintainSigningKeys } from '../../src/domain/keyset/maintain-signing-keys.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DAY_MS, NOW, sampleApiKey, sampleUser } from '../support/samples.ts';
import { anything } from '../support/matchers.ts';

const account = (change = {}) => ({
  id: newId(),
  name: `service-${newId()}`,
  scopes: ['tokens:validate', 'b"c,{}'],
  createTime: NOW,
  ...change,
});

describeOnEveryDatabase('ApiKeyStore and ServiceAccountStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });

  it("finds a user's key with its owner as the owner is now", async () => {
    const user = sampleUser({ role: 'moderator' });
    await db.stores.users.insert(user);
    const key = sampleApiKey(user.id, { expireTime: NOW + DAY_MS, scopes: [] });
    await db.stores.apiKeys.insert(key);
    await db.stores.users.raiseEpochs(user.id, NOW);
    const found = await db.stores.apiKeys.find(key.id);
    expect(found).toEqual({
      id: key.id,
      digest: anything,
      version: 1,
      ownerId: user.id,
      ownerKind: 'user',
      ownerActive: true,
      ownerRole: 'moderator',
      ownerScopes: [],
      ownerVersion: 2,
      scopes: [],
      networks: [],
      expireTime: NOW + DAY_MS,
      revokeTime: undefined,
    });
    expect(Buffer.from(found?.digest ?? [])).toEqual(Buffer.from(key.digest));
    const setStatus = (status: string) =>
      db.database.tables.updateTable('users').set({ status }).where('id', '=', user.id).execute();
    for (const status of ['suspended', 'deleted']) {
      await setStatus(status);
      expect(await db.stores.apiKeys.find(key.id)).toMatchObject({ ownerActive: false });
    }
  });

  it("finds a service's key with what the service is granted", async () => {
    const service = account();
    expect(await db.stores.serviceAccounts.insert(service)).toBe(true);
    const key = sampleApiKey(service.id, { ownerKind: 'service' });
    await db.stores.apiKeys.insert(key);
    expect(await db.stores.apiKeys.find(key.id)).toMatchObject({
      ownerKind: 'service',
      ownerActive: true,
      ownerRole: '',
      ownerScopes: service.scopes,
      ownerVersion: 1,
      expireTime: undefined,
    });
  });

  it('finds no key under an unknown id, and no owner of the other kind', async () => {
    expect(await db.stores.apiKeys.find(newId())).toBeUndefined();
    const user = sampleUser({ role: 'admin' });
    await db.stores.users.insert(user);
    const key = sampleApiKey(user.id, { ownerKind: 'service' });
    await db.stores.apiKeys.insert(key);
    expect(await db.stores.apiKeys.find(key.id)).toMatchObject({ ownerActive: false, ownerRole: '' });
  });

  it('changes a key, whose version rises, and shares a live one of an active owner', async () => {
    const { apiKeys } = db.stores;
    const owner = sampleUser();
    await db.stores.users.insert(owner);
    const key = sampleApiKey(owner.id, { scopes: ['a', 'b'], allowedCidrs: [], expireTime: undefined });
    await apiKeys.insert(key);
    const shared = await apiKeys.share(key.id, NOW);
    expect(shared).toMatchObject({ id: key.id, scopes: ['a', 'b'] });
    if (shared === undefined) throw new Error('the key is live');
    const narrowed = { ...shared, scopes: ['a'], allowedCidrs: ['10.0.0.0/8'], expireTime: NOW + 5 };
    expect([await apiKeys.change(narrowed), await apiKeys.change(narrowed)]).toEqual([2, 3]);
    expect(await apiKeys.find(key.id)).toMatchObject({ version: 3, scopes: ['a'], expireTime: NOW + 5 });
    expect(await apiKeys.share(key.id, NOW + 5)).toBeUndefined();
  });

  it('ends what keys made, and what those made, once', async () => {
    const { apiKeys } = db.stores;
    const owner = sampleUser();
    await db.stores.users.insert(owner);
    const make = async (madeBy?: string) => {
      const key = sampleApiKey(owner.id, { madeBy });
      await apiKeys.insert(key);
      return key.id;
    };
    const root = await make();
    const [child, other] = [await make(root), await make()];
    const grandchild = await make(child);
    const ended = await apiKeys.endMadeBy([root], NOW, NOW + DAY_MS);
    expect(ended.map(({ id }) => id).toSorted()).toEqual([child, grandchild].toSorted());
    expect(ended[0]).toMatchObject({ form: 'session', revokeTime: NOW, expireTime: NOW + DAY_MS });
    expect(await apiKeys.endMadeBy([root], NOW, NOW + DAY_MS)).toEqual([]);
    for (const id of [root, other]) expect((await apiKeys.find(id))?.revokeTime).toBeUndefined();
  });

  it('revokes a key once', async () => {
    const key = sampleApiKey(newId());
    await db.stores.apiKeys.insert(key);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => db.stores.apiKeys.revoke(key.id, NOW + index)),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(await db.stores.apiKeys.find(key.id)).toMatchObject({ revokeTime: NOW + outcomes.indexOf(true) });
    expect(await db.stores.apiKeys.revoke(newId(), NOW)).toBe(false);
  });

  it('gives a service name to one of many', async () => {
    const { name } = account();
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => db.stores.serviceAccounts.insert(account({ name }))),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
  });
});

describeOnEveryDatabase('SigningKeyStore', (open) => {
  const masterKey = new MasterKey(randomBytes(32));
  const maintaining = (db: TestStores, clock: FakeClock, algorithm: SigningAlgorithm = 'ES256') => ({
    clock,
    newId,
    signingKeys: db.stores.signingKeys,
    transact: db.transact,
    newSigningKey: signingKeyMaker(masterKey),
    signingAlgorithm: algorithm,
    rotationMs: 30 * DAY_MS,
    tokenPolicy: { accessTokenTtlMs: 900_000 },
  });

  it('gives back keys as they were put in, by activation, and drops them', async () => {
    const { stores } = await open();
    const newKey = signingKeyMaker(masterKey);
    const later = await newKey('EdDSA', NOW, NOW + 2_000);
    const sooner = await newKey('ES256', NOW + 1, NOW + 1_000);
    await stores.signingKeys.insert(later);
    await stores.signingKeys.insert(sooner);
    const listed = await stores.signingKeys.list();
    const plain = (key: typeof later) => ({ ...key, sealedPrivateKey: [...key.sealedPrivateKey] });
    expect(listed.map(plain)).toEqual([plain(sooner), plain(later)]);
    const keyset = new Keyset({
      signingKeys: stores.signingKeys,
      sealer: masterKey,
      clock: new FakeClock(NOW + 1_500),
    });
    await keyset.reload();
    expect(keyset.signer().kid).toBe(sooner.kid);
    await stores.signingKeys.delete(sooner.kid);
    expect((await stores.signingKeys.list()).map(({ kid }) => kid)).toEqual([later.kid]);
  });

  it('lets many maintainers at once make exactly one key, and later exactly one successor', async () => {
    const db = await open();
    const clock = new FakeClock(NOW);
    const round = () =>
      Promise.all(Array.from({ length: 8 }, () => maintainSigningKeys(maintaining(db, clock))));
    await round();
    expect(await db.stores.signingKeys.list()).toHaveLength(1);
    clock.advance(30 * DAY_MS);
    await round();
    expect(await db.stores.signingKeys.list()).toHaveLength(2);
    const events = await db.database.tables.selectFrom('audit_events').selectAll().execute();
    expect(events.map(({ kind }) => kind)).toEqual(['signing_key.create', 'signing_key.create']);
  });
});
