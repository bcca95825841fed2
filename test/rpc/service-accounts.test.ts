// Service accounts over every protocol: who may make them and their keys, what the keys carry, and how they end.

import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_LIVE_KEYS } from '../../src/domain/api-key/key-rules.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { firstAdministrator, member } from '../support/members.ts';
import type { Member } from '../support/members.ts';
import { endingOf, refusalOf } from '../support/rpc-calls.ts';
import { bearer, PROTOCOLS, startTestService } from '../support/service.ts';
import type { Protocol, TestService } from '../support/service.ts';

const clock = new FakeClock(Date.now());
let service: TestService;
let root: Member;
let admin: Member;
let names = 0;

beforeAll(async () => {
  service = await startTestService({ clock });
  root = await firstAdministrator(service);
  admin = await member(service, 'admin-1', 'admin');
});
afterAll(() => service.stop());

const newName = () => `service-${(names += 1)}`;
const reason = async (call: Promise<unknown>) => (await refusalOf(call)).reason;
const account = async (scopes: string[], by = root) => {
  const { serviceAccount } = await service
    .admin()
    .createServiceAccount({ name: newName(), scopes }, by.options);
  return serviceAccount?.id ?? '';
};
const newKey = async (serviceAccountId: string, scopes: string[] = [], by = root) => {
  const { apiKey, secret } = await service
    .admin()
    .createServiceApiKey({ serviceAccountId, displayName: 'CI', scopes }, by.options);
  return { id: apiKey?.id ?? '', scopes: apiKey?.scopes ?? [], secret };
};
const exchange = async (secret: string, protocol: Protocol = 'grpc', scopes: string[] = []) => {
  const { accessToken } = await service
    .auth(protocol)
    .exchangeApiKey({ scopes }, { headers: { 'x-api-key': secret } });
  return bearer(accessToken);
};
const eventsOf = (targetId: string) =>
  service.app.database.tables
    .selectFrom('audit_events')
    .select(['kind', 'outcome', 'reason', 'actor_id', 'account_id', 'details'])
    .where('target_id', '=', targetId)
    .orderBy('id')
    .execute();

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('a service is made, gets a key, calls by its token within its scopes, and ends with the key', async () => {
    const calls = service.admin(protocol);
    const name = newName();
    const scopes = ['service_accounts:read', 'users:read'];
    const { serviceAccount } = await calls.createServiceAccount({ name, scopes }, admin.options);
    expect(serviceAccount).toMatchObject({ name, scopes, apiKeys: [] });
    const { apiKey, secret } = await calls.createServiceApiKey(
      { serviceAccountId: serviceAccount?.id ?? '', displayName: ' nightly ' },
      admin.options,
    );
    expect(apiKey).toMatchObject({ ownerId: serviceAccount?.id, displayName: 'nightly', scopes });

    const options = await exchange(secret, protocol);
    const { serviceAccounts } = await calls.listServiceAccounts({ pageSize: 100 }, options);
    expect(serviceAccounts.find(({ id }) => id === serviceAccount?.id)).toMatchObject({ apiKeys: [apiKey] });
    const beyond = await refusalOf(calls.createServiceAccount({ name: newName(), scopes }, options));
    expect(beyond).toMatchObject({
      reason: 'INSUFFICIENT_SCOPE',
      metadata: { missing_scopes: 'service_accounts:write' },
    });
    for (const header of [{ 'x-api-key': secret }, { authorization: `Bearer ${secret}` }]) {
      const listed = await calls.listServiceAccounts({ pageSize: 100 }, { headers: header });
      expect(listed.serviceAccounts.map(({ id }) => id)).toContain(serviceAccount?.id);
      expect(await reason(service.user(protocol).getMe({}, { headers: header }))).toBe(
        'CREDENTIAL_NOT_ALLOWED',
      );
    }

    await calls.revokeServiceApiKey({ apiKeyId: apiKey?.id ?? '' }, admin.options);
    expect(await reason(calls.listServiceAccounts({}, options))).toBe('TOKEN_REVOKED');
    expect(await reason(exchange(secret, protocol))).toBe('TOKEN_REVOKED');
    const again = calls.revokeServiceApiKey({ apiKeyId: apiKey?.id ?? '' }, admin.options);
    expect(await reason(again)).toBe('API_KEY_NOT_FOUND');
    const listed = await calls.listServiceAccounts({}, admin.options);
    expect(listed.serviceAccounts.find(({ id }) => id === serviceAccount?.id)?.apiKeys).toEqual([]);
  });

  it('every rule that a request breaks is named at once', async () => {
    const calls = service.admin(protocol);
    for (const name of [
      '',
      'a',
      'A2',
      '1a',
      'a b',
      'é2',
      `a${'b'.repeat(50)}`,
      'ab\n',
      'ab\u0000',
      '\ud800',
    ]) {
      const refused = await refusalOf(
        calls.createServiceAccount({ name: name.toWellFormed(), scopes: [] }, root.options),
      );
      expect(refused).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['name', 'scopes'] });
    }
    const huge = Array.from({ length: 101 }, (_, index) => `scope:${index}`);
    const tooMany = calls.createServiceAccount({ name: newName(), scopes: huge }, root.options);
    expect((await refusalOf(tooMany)).fields).toEqual(['scopes']);
    const key = calls.createServiceApiKey(
      {
        serviceAccountId: 'x',
        displayName: '\u202e',
        scopes: ['a b'],
        expireTime: timestampFromMs(clock.now()),
        allowedCidrs: ['10.0.0.5/8'],
      },
      root.options,
    );
    expect((await refusalOf(key)).fields.toSorted()).toEqual([
      'allowed_cidrs[0]',
      'display_name',
      'expire_time',
      'scopes[0]',
      'service_account_id',
    ]);
    const page = await refusalOf(calls.listServiceAccounts({ pageSize: 101 }, root.options));
    expect(page.fields).toEqual(['page_size']);
    const forged = await refusalOf(calls.listServiceAccounts({ pageToken: 'AAAA' }, root.options));
    expect(forged.fields).toEqual(['page_token']);
    expect((await refusalOf(calls.revokeServiceApiKey({ apiKeyId: '' }, root.options))).fields).toEqual([
      'api_key_id',
    ]);
  });
});

describe('who may', () => {
  it('no caller makes an account with what they lack, and the attempt is audited', async () => {
    const name = newName();
    const refused = await refusalOf(
      service
        .admin()
        .createServiceAccount({ name, scopes: ['users:read', 'signing_keys:write'] }, admin.options),
    );
    expect(refused).toMatchObject({
      reason: 'INSUFFICIENT_SCOPE',
      metadata: { missing_scopes: 'signing_keys:write' },
    });
    const events = await service.app.database.tables
      .selectFrom('audit_events')
      .select(['reason', 'details'])
      .where('kind', '=', 'service_account.create')
      .where('actor_id', '=', admin.id)
      .where('outcome', '=', 'refused')
      .execute();
    expect(events).toContainEqual({
      reason: 'INSUFFICIENT_SCOPE',
      details: { name, scopes: 'users:read signing_keys:write' },
    });
    expect(await account(['signing_keys:write', 'made:up'])).not.toBe('');
  });

  it('a key carries what the account has and the actor holds, all of it when none is named', async () => {
    const id = await account(['users:read', 'signing_keys:read']);
    expect((await newKey(id)).scopes).toEqual(['users:read', 'signing_keys:read']);
    expect((await newKey(id, ['users:read'], admin)).scopes).toEqual(['users:read']);
    const [beyondActor, allOfIt, beyondAccount] = await Promise.all([
      refusalOf(newKey(id, ['signing_keys:read'], admin)),
      refusalOf(newKey(id, [], admin)),
      refusalOf(newKey(id, ['users:read', 'users:write'])),
    ]);
    expect(beyondActor.metadata['missing_scopes']).toBe('signing_keys:read');
    expect(allOfIt.metadata['missing_scopes']).toBe('signing_keys:read');
    expect(beyondAccount.metadata['missing_scopes']).toBe('users:write');
    expect(await reason(newKey('0198c0de-0000-7000-8000-000000000000'))).toBe('SERVICE_ACCOUNT_NOT_FOUND');
    expect(await reason(newKey(admin.id))).toBe('SERVICE_ACCOUNT_NOT_FOUND');
  });

  it("no caller revokes a key that carries what they lack, and a person's key is none", async () => {
    const key = await newKey(await account(['signing_keys:read']));
    const calls = service.admin();
    const refused = calls.revokeServiceApiKey({ apiKeyId: key.id }, admin.options);
    expect(await reason(refused)).toBe('INSUFFICIENT_SCOPE');
    await expect(exchange(key.secret)).resolves.toBeDefined();
    const { apiKey } = await service
      .user()
      .createApiKey({ displayName: 'mine', scopes: ['account:read'] }, admin.options);
    const personal = calls.revokeServiceApiKey({ apiKeyId: apiKey?.id ?? '' }, root.options);
    expect(await reason(personal)).toBe('API_KEY_NOT_FOUND');
    expect(await eventsOf(key.id)).toMatchObject([
      { kind: 'api_key.create', outcome: 'success', actor_id: root.id, account_id: null },
      { kind: 'api_key.revoke', outcome: 'refused', reason: 'INSUFFICIENT_SCOPE', actor_id: admin.id },
      { kind: 'api_key.exchange', outcome: 'success' },
    ]);
    await calls.revokeServiceApiKey({ apiKeyId: key.id }, root.options);
    expect((await eventsOf(key.id)).at(-1)).toMatchObject({ kind: 'api_key.revoke', actor_id: root.id });
  });

  it('a service makes accounts within its scopes', async () => {
    const id = await account(['service_accounts:write', 'users:read']);
    const options = await exchange((await newKey(id)).secret);
    const calls = service.admin();
    const within = { name: newName(), scopes: ['users:read'] };
    expect((await calls.createServiceAccount(within, options)).serviceAccount?.scopes).toEqual([
      'users:read',
    ]);
    const beyond = { name: newName(), scopes: ['users:write'] };
    expect(await reason(calls.createServiceAccount(beyond, options))).toBe('INSUFFICIENT_SCOPE');
  });
});

it('a name is given once, also to many who ask at once', async () => {
  const name = newName();
  const endings = await Promise.all(
    Array.from({ length: 10 }, () =>
      endingOf(service.admin().createServiceAccount({ name, scopes: ['users:read'] }, root.options)),
    ),
  );
  expect(endings.filter((ending) => ending === 'OK')).toHaveLength(1);
  expect(new Set(endings)).toEqual(new Set(['OK', 'AlreadyExists NAME_TAKEN latchkey']));
});

it('an account has at most fifty live keys, also when sixty are made at once; ended keys do not count', async () => {
  const id = await account(['users:read']);
  const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => newKey(id)));
  const made = outcomes.filter((outcome) => outcome.status === 'fulfilled');
  expect(made).toHaveLength(MAX_LIVE_KEYS);
  expect(await reason(newKey(id))).toBe('API_KEY_LIMIT');
  await service.admin().revokeServiceApiKey({ apiKeyId: made[0]?.value.id ?? '' }, root.options);
  const expireTime = timestampFromMs(clock.now() + 1_000);
  await service
    .admin()
    .createServiceApiKey({ serviceAccountId: id, displayName: 'short', expireTime }, root.options);
  expect(await reason(newKey(id))).toBe('API_KEY_LIMIT');
  clock.advance(1_000);
  await expect(newKey(id)).resolves.toBeDefined();
  const listed = (await service.admin().listServiceAccounts({}, root.options)).serviceAccounts;
  expect(listed.find((item) => item.id === id)?.apiKeys).toHaveLength(MAX_LIVE_KEYS);
});

it('a key is valid from its networks only', async () => {
  const id = await account(['users:read']);
  const { secret } = await service
    .admin()
    .createServiceApiKey(
      { serviceAccountId: id, displayName: 'bound', allowedCidrs: ['192.0.2.0/24'] },
      root.options,
    );
  expect(await reason(exchange(secret))).toBe('TOKEN_INVALID');
});

it('a list goes on where its page ended, newest first, with what each account has', async () => {
  const ids = [await account(['users:read']), await account(['users:read']), await account(['users:read'])];
  const keys = [await newKey(ids[1] ?? ''), await newKey(ids[1] ?? '')];
  const seen: Array<{ id: string; keys: readonly string[] }> = [];
  let pageToken = '';
  do {
    const page = await service.admin().listServiceAccounts({ pageSize: 2, pageToken }, root.options);
    expect(page.serviceAccounts.length).toBeLessThanOrEqual(2);
    seen.push(...page.serviceAccounts.map(({ id, apiKeys }) => ({ id, keys: apiKeys.map((key) => key.id) })));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
  expect(seen.slice(0, 3).map(({ id }) => id)).toEqual(ids.toReversed());
  expect(seen[1]?.keys).toEqual(keys.map(({ id }) => id).toReversed());
});

it('a key needs a login of late; the rest does not', async () => {
  const id = await account(['users:read']);
  const key = await newKey(id);
  clock.advance(5 * 60_000 + 1);
  await eventually(() => service.app.revocationIndex.isFresh());
  expect(await reason(newKey(id))).toBe('STEP_UP_REQUIRED');
  await service.admin().revokeServiceApiKey({ apiKeyId: key.id }, root.options);
  await expect(account(['users:read'])).resolves.not.toBe('');
});

it('a key of a suspended account makes no more keys and counts as revoked', async () => {
  root = await firstAdministrator(service);
  const id = await account(['users:read']);
  const { secret } = await newKey(id);
  await service.app.database.tables
    .updateTable('service_accounts')
    .set({ status: 'suspended' })
    .where('id', '=', id)
    .execute();
  expect(await reason(exchange(secret))).toBe('TOKEN_REVOKED');
  expect(await reason(newKey(id))).toBe('SERVICE_ACCOUNT_NOT_FOUND');
});
