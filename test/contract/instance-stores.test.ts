// The contracts of InstanceStore, RoleStore and AuditLog, on every database, and the first start over them.

import { beforeAll, expect, it } from 'vitest';

import { randomBytes } from 'node:crypto';
import { apiKeyCodec as openApiKeyCodec } from '../../src/crypto/tokens/api-key-codec.ts';
import { newId, newPassword } from '../../src/crypto/ids.ts';
import { BUILT_IN_ROLES } from '../../src/domain/access/role.ts';
import { bootstrap, type BootstrapSecrets } from '../../src/domain/instance/bootstrap.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { NOW, ORIGIN } from '../support/samples.ts';
import { containing } from '../support/matchers.ts';

const apiKeyCodec = openApiKeyCodec(randomBytes(32));

const ADMIN = { text: 'Admin@example.com', key: 'admin@example.com' };

describeOnEveryDatabase('the first start', (open) => {
  const depsOver = (db: TestStores, deliver: (secrets: BootstrapSecrets) => Promise<void>) => ({
    clock: new FakeClock(NOW),
    newId,
    instance: db.stores.instance,
    transact: db.transact,
    passwordHasher: { hash: async (password: string) => `hash of ${password}` },
    apiKeyCodec,
    newPassword,
    deliver,
  });

  it('happens once, however many nodes start at once', async () => {
    const db = await open();
    const delivered: BootstrapSecrets[] = [];
    const deps = depsOver(db, async (secrets) => void delivered.push(secrets));
    const answers = await Promise.all(Array.from({ length: 8 }, () => bootstrap(deps, ADMIN)));
    const [secrets] = delivered;
    expect(delivered).toHaveLength(1);
    expect(answers.filter((answer) => answer !== undefined)).toEqual([secrets]);
    const admin = await db.stores.users.findByIdentifier('admin');
    expect(admin).toMatchObject({ role: 'super_admin', email: ADMIN.text, emailVerified: true });
    expect(admin?.passwordHash).toBe(`hash of ${secrets?.adminPassword}`);
    const presented = apiKeyCodec.read(secrets?.gatewayApiKey ?? '');
    const key = await db.stores.apiKeys.find(presented?.id ?? '');
    expect(key).toMatchObject({ ownerKind: 'service', ownerActive: true, scopes: ['tokens:validate'] });
    expect(apiKeyCodec.sameDigest(key?.digest ?? Buffer.of(), presented?.digest ?? Buffer.of(1))).toBe(true);
    expect(await bootstrap(deps, ADMIN)).toBeUndefined();
    expect(delivered).toHaveLength(1);
  });

  it('is not done when its secrets were not printed, and is done at the next start', async () => {
    const db = await open();
    const failing = depsOver(db, () => Promise.reject(new Error('the disk is full')));
    await expect(bootstrap(failing, ADMIN)).rejects.toThrow('the disk is full');
    expect(await db.stores.instance.isBootstrapped()).toBe(false);
    expect(await db.stores.users.findByIdentifier('admin')).toBeUndefined();
    const events = await db.database.tables.selectFrom('audit_events').selectAll().execute();
    expect(events).toEqual([]);
    expect(
      await bootstrap(
        depsOver(db, async () => undefined),
        ADMIN,
      ),
    ).toMatchObject({
      adminEmail: ADMIN.text,
    });
  });
});

describeOnEveryDatabase('InstanceStore, RoleStore and AuditLog', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });

  it('keep the first fact of a name, and change it for who has seen it last', async () => {
    const { instance } = db.stores;
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, index) => instance.insertFact('test', `value ${index}`)),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    const first = `value ${outcomes.indexOf(true)}`;
    expect((await instance.listFacts()).get('test')).toBe(first);
    const changes = await Promise.all(
      Array.from({ length: 10 }, (_, index) => instance.replaceFact('test', first, `later ${index}`)),
    );
    expect(changes.filter(Boolean)).toHaveLength(1);
    expect(await instance.removeFact('test', first)).toBe(false);
    expect(await instance.removeFact('test', `later ${changes.indexOf(true)}`)).toBe(true);
    expect((await instance.listFacts()).has('test')).toBe(false);
    expect(await instance.replaceFact('test', first, 'none')).toBe(false);
  });

  it('begin with the built-in roles', async () => {
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    expect((await db.stores.roles.list()).toSorted(byName)).toEqual(BUILT_IN_ROLES.toSorted(byName));
  });

  it('write events down as they are', async () => {
    const whole = {
      id: newId(),
      time: NOW + 123,
      kind: 'session.login',
      outcome: 'refused',
      reason: 'INVALID_CREDENTIALS',
      accountId: newId(),
      actorId: 'actor',
      targetId: 'target',
      origin: { ...ORIGIN, userAgent: `'"\\ 🔑 ${'x'.repeat(5_000)}` },
      details: { device: 'a "phone"\n', empty: '' },
    } as const;
    const bare = {
      id: newId(),
      time: NOW,
      kind: 'account.register',
      outcome: 'success',
      origin: ORIGIN,
    } as const;
    await db.stores.audit.append(whole);
    await db.stores.audit.append(bare);
    const rows = await db.database.tables
      .selectFrom('audit_events')
      .selectAll()
      .where('id', 'in', [whole.id, bare.id])
      .orderBy('time', 'desc')
      .execute();
    expect(rows.map((row) => ({ ...row, time: Number(new Date(row.time)) }))).toEqual([
      {
        id: whole.id,
        time: NOW + 123,
        kind: whole.kind,
        outcome: 'refused',
        reason: whole.reason,
        account_id: whole.accountId,
        actor_id: 'actor',
        target_id: 'target',
        ip_address: ORIGIN.ipAddress,
        user_agent: whole.origin.userAgent,
        request_id: ORIGIN.requestId,
        details: whole.details,
      },
      containing({
        id: bare.id,
        reason: null,
        account_id: null,
        actor_id: null,
        target_id: null,
        details: null,
      }),
    ]);
  });
});
