// Keys of service accounts that manage themselves and others: by the key, without a login, and never to more than the key has.

import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { firstAdministrator, type Member } from '../support/members.ts';
import { endingOf, refusalOf } from '../support/rpc-calls.ts';
import { DAY_MS } from '../support/samples.ts';
import { bearer, PROTOCOLS, startTestService, type TestService } from '../support/service.ts';

const MANAGES = ['service_accounts:write', 'users:read'];
const HERE = '127.0.0.0/8';

const clock = new FakeClock(Date.now());
let service: TestService;
let root: Member;
let names = 0;

beforeAll(async () => {
  service = await startTestService({ clock });
  root = await firstAdministrator(service);
});
afterAll(() => service.stop());

type Made = { readonly id: string; readonly secret: string };
type Limits = { scopes?: string[]; allowedCidrs?: string[]; lifeMs?: number };

const admin = () => service.admin();
const reason = async (call: Promise<unknown>) => (await refusalOf(call)).reason;
type Options = { readonly headers: Record<string, string> };
const by = ({ secret }: Made): Options => ({ headers: { 'x-api-key': secret } });
const account = async (scopes: string[], options: Options = root.options) => {
  const name = `keys-${(names += 1)}`;
  const { serviceAccount } = await admin().createServiceAccount({ name, scopes }, options);
  return serviceAccount?.id ?? '';
};
const make = async (
  serviceAccountId: string,
  limits: Limits = {},
  options: Options = root.options,
): Promise<Made> => {
  const { scopes = [], allowedCidrs = [], lifeMs } = limits;
  const expiry = lifeMs === undefined ? {} : { expireTime: timestampFromMs(clock.now() + lifeMs) };
  const { apiKey, secret } = await admin().createServiceApiKey(
    { serviceAccountId, displayName: 'A', scopes, allowedCidrs, ...expiry },
    options,
  );
  return { id: apiKey?.id ?? '', secret };
};
const isGood = async (key: Made) => (await endingOf(service.auth().exchangeApiKey({}, by(key)))) === 'OK';
const eventsOf = (targetId: string) =>
  service.app.database.tables
    .selectFrom('audit_events')
    .select(['kind', 'outcome', 'reason', 'actor_id', 'details'])
    .where('target_id', '=', targetId)
    .orderBy('id')
    .execute();

describe.each(PROTOCOLS)('over %s, a key', (protocol) => {
  const calls = () => service.admin(protocol);

  it('rotates itself without any scope for that; the old one lives on for the overlap', async () => {
    const id = await account(['users:read']);
    const old = await make(id, { allowedCidrs: [HERE], lifeMs: 30 * DAY_MS });
    const { apiKey, secret } = await calls().rotateServiceApiKey(
      { overlap: durationFromMs(60_000) },
      by(old),
    );
    expect(apiKey).toMatchObject({
      ownerId: id,
      displayName: 'A',
      scopes: ['users:read'],
      allowedCidrs: [HERE],
    });
    const next = { id: apiKey?.id ?? '', secret };
    expect([await isGood(old), await isGood(next)]).toEqual([true, true]);
    clock.advance(60_000);
    await eventually(() => service.app.revocationIndex.isFresh());
    expect([await isGood(old), await isGood(next)]).toEqual([false, true]);
    expect((await eventsOf(old.id)).find(({ kind }) => kind === 'api_key.rotate')).toMatchObject({
      outcome: 'success',
      actor_id: id,
      details: { api_key: old.id, service_account: id, successor: next.id },
    });
  });

  it('also through the token exchanged for it, and at once without overlap', async () => {
    const old = await make(await account(['users:read']));
    const { accessToken } = await service.auth(protocol).exchangeApiKey({}, by(old));
    const none = durationFromMs(0);
    const { secret } = await calls().rotateServiceApiKey({ overlap: none }, bearer(accessToken));
    expect([await isGood(old), await isGood({ id: '', secret })]).toEqual([false, true]);
    expect(await reason(calls().rotateServiceApiKey({ overlap: none }, bearer(accessToken)))).toBe(
      'TOKEN_REVOKED',
    );
  });

  it('narrows itself, which counts at the next call, and cannot be widened', async () => {
    const key = await make(await account(MANAGES));
    const list = () => calls().listUsers({}, by(key));
    await list();
    const change = { scopes: ['service_accounts:write'], allowedCidrs: [HERE] };
    const paths = ['scopes', 'allowed_cidrs'];
    const { apiKey } = await calls().updateServiceApiKey({ apiKey: change, updateMask: { paths } }, by(key));
    expect(apiKey).toMatchObject({ id: key.id, ...change, displayName: 'A' });
    expect(await reason(list())).toBe('INSUFFICIENT_SCOPE');
    const wider = {
      scopes: MANAGES,
      allowedCidrs: ['0.0.0.0/0'],
      expireTime: timestampFromMs(clock.now() + DAY_MS),
    };
    const refused = await refusalOf(calls().updateServiceApiKey({ apiKey: wider }, by(key)));
    expect(refused).toMatchObject({
      reason: 'VALIDATION_FAILED',
      fields: ['api_key.scopes', 'api_key.allowed_cidrs'],
    });
    const all = { apiKey: { ...change, displayName: 'B', allowedCidrs: [] }, updateMask: { paths: ['*'] } };
    expect((await refusalOf(calls().updateServiceApiKey(all, by(key)))).fields).toEqual([
      'api_key.allowed_cidrs',
    ]);
    expect(
      (await eventsOf(key.id)).filter(
        ({ outcome, kind }) => kind === 'api_key.update' && outcome === 'success',
      ),
    ).toMatchObject([{ details: { scopes_removed: 'users:read', allowed_cidrs: HERE, api_key: key.id } }]);
  });

  it('of a service with the scope for it makes keys and deletes accounts, without a login', async () => {
    const maker = await make(await account(MANAGES));
    const id = await account(['users:read'], by(maker));
    const { apiKey, secret } = await calls().createServiceApiKey(
      { serviceAccountId: id, displayName: 'B' },
      by(maker),
    );
    expect(apiKey?.scopes).toEqual(['users:read']);
    expect((await eventsOf(apiKey?.id ?? ''))[0]).toMatchObject({
      kind: 'api_key.create',
      details: { api_key: maker.id },
    });
    const made = { id: '', secret };
    const { accessToken } = await service.auth(protocol).exchangeApiKey({}, by(made));
    await calls().deleteServiceAccount({ serviceAccountId: id }, by(maker));
    expect(await isGood(made)).toBe(false);
    expect(await reason(calls().listUsers({}, bearer(accessToken)))).toBe('TOKEN_REVOKED');
    expect(await reason(calls().deleteServiceAccount({ serviceAccountId: id }, by(maker)))).toBe(
      'SERVICE_ACCOUNT_NOT_FOUND',
    );
    expect((await eventsOf(id)).at(-2)).toMatchObject({
      kind: 'service_account.delete',
      outcome: 'success',
      details: { api_key: maker.id },
    });
  });
});

describe('no key becomes more than it is', () => {
  it('neither by a key for another account nor through a second one', async () => {
    const id = await account([...MANAGES, 'users:write']);
    const narrow = await make(id, { scopes: MANAGES });
    expect(await refusalOf(make(id, { scopes: ['users:write'] }, by(narrow)))).toMatchObject({
      reason: 'INSUFFICIENT_SCOPE',
      metadata: { missing_scopes: 'users:write' },
    });
    expect(await reason(make(id, {}, by(narrow)))).toBe('INSUFFICIENT_SCOPE');
    const second = await make(id, { scopes: MANAGES }, by(narrow));
    expect(await reason(make(id, { scopes: ['users:write'] }, by(second)))).toBe('INSUFFICIENT_SCOPE');
    expect(await reason(account(['users:write'], by(second)))).toBe('INSUFFICIENT_SCOPE');
  });

  it('has the networks and the time of the key that made it, at most', async () => {
    const id = await account(MANAGES);
    const maker = await make(id, { allowedCidrs: [HERE], lifeMs: DAY_MS });
    for (const allowedCidrs of [['0.0.0.0/0'], ['127.0.0.1', '192.0.2.1'], ['::/0']])
      expect((await refusalOf(make(id, { allowedCidrs }, by(maker)))).fields).toEqual(['allowed_cidrs']);
    expect((await refusalOf(make(id, { lifeMs: DAY_MS + 1 }, by(maker)))).fields).toEqual(['expire_time']);
    const { apiKey } = await admin().createServiceApiKey(
      { serviceAccountId: id, displayName: 'A' },
      by(maker),
    );
    expect(apiKey).toMatchObject({ allowedCidrs: [HERE], expireTime: timestampFromMs(clock.now() + DAY_MS) });
    await expect(make(id, { allowedCidrs: ['127.0.0.1'], lifeMs: 60_000 }, by(maker))).resolves.toBeDefined();
  });

  it('manages no other key without the scope, also one of its own account', async () => {
    const id = await account(MANAGES);
    const [weak, other] = [await make(id, { scopes: ['users:read'] }), await make(id)];
    const calls = [
      admin().rotateServiceApiKey({ apiKeyId: other.id }, by(weak)),
      admin().updateServiceApiKey({ apiKey: { id: other.id, displayName: 'B' } }, by(weak)),
      admin().revokeServiceApiKey({ apiKeyId: other.id }, by(weak)),
      admin().deleteServiceAccount({ serviceAccountId: id }, by(weak)),
      admin().rotateServiceApiKey({ apiKeyId: '0198c0de-0000-7000-8000-000000000000' }, by(weak)),
    ];
    for (const call of calls) expect(await reason(call)).toBe('INSUFFICIENT_SCOPE');
  });

  it("a person's key manages none of it without a login, and rotates no service's key", async () => {
    const { apiKey, secret } = await service
      .user()
      .createApiKey({ displayName: 'mine', scopes: MANAGES }, root.options);
    const mine = { id: apiKey?.id ?? '', secret };
    const id = await account(['users:read']);
    expect(await reason(make(id, {}, by(mine)))).toBe('CREDENTIAL_NOT_ALLOWED');
    expect(await reason(admin().rotateServiceApiKey({}, by(mine)))).toBe('CREDENTIAL_NOT_ALLOWED');
    expect(await reason(admin().updateServiceApiKey({ apiKey: { displayName: 'B' } }, by(mine)))).toBe(
      'API_KEY_NOT_FOUND',
    );
    expect((await refusalOf(admin().rotateServiceApiKey({}, root.options))).fields).toEqual(['api_key_id']);
  });
});

describe('what a stolen key made', () => {
  async function stolen() {
    const [id, elsewhere] = [await account(MANAGES), await account(['users:read'])];
    const key = await make(id);
    const second = await make(id, {}, by(key));
    const third = await make(elsewhere, {}, by(second));
    const bystander = await make(elsewhere);
    return { id, key, second, third, bystander };
  }

  it('lives on when it is revoked alone, and ends with it when asked, also later', async () => {
    const { key, second, third, bystander } = await stolen();
    const revoke = (includeMadeKeys: boolean) =>
      admin().revokeServiceApiKey({ apiKeyId: key.id, includeMadeKeys }, root.options);
    expect((await revoke(false)).revokedApiKeyIds).toEqual([key.id]);
    expect([await isGood(key), await isGood(second), await isGood(third)]).toEqual([false, true, true]);
    expect((await revoke(true)).revokedApiKeyIds.toSorted()).toEqual([second.id, third.id].toSorted());
    expect([await isGood(second), await isGood(third), await isGood(bystander)]).toEqual([
      false,
      false,
      true,
    ]);
    const events = (await eventsOf(key.id)).filter(({ kind }) => kind === 'api_key.revoke');
    expect(events.at(-1)?.details?.['made_keys']?.split(' ').toSorted()).toEqual(
      [second.id, third.id].toSorted(),
    );
  });

  it('ends with the account when asked', async () => {
    const { id, key, second, third, bystander } = await stolen();
    await admin().deleteServiceAccount({ serviceAccountId: id, includeMadeKeys: true }, root.options);
    const all = [key, second, third, bystander];
    expect(await Promise.all(all.map(isGood))).toEqual([false, false, false, true]);
  });

  it('has no way out while it is being ended: of keys made at once, none survives', async () => {
    const { id, key } = await stolen();
    const making = Array.from({ length: 12 }, () => make(id, {}, by(key)));
    const revoking = admin().revokeServiceApiKey({ apiKeyId: key.id, includeMadeKeys: true }, root.options);
    const outcomes = await Promise.allSettled(making);
    await revoking;
    const made = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(await Promise.all(made.map(isGood))).toEqual(made.map(() => false));
  });
});

it('a name is free again once its account has been deleted', async () => {
  const name = `again-${(names += 1)}`;
  const create = async () =>
    (await admin().createServiceAccount({ name, scopes: ['users:read'] }, root.options)).serviceAccount?.id ??
    '';
  const first = await create();
  await admin().deleteServiceAccount({ serviceAccountId: first }, root.options);
  expect(await create()).not.toBe(first);
  const { serviceAccounts } = await admin().listServiceAccounts({ pageSize: 100 }, root.options);
  expect(serviceAccounts.map(({ id }) => id)).not.toContain(first);
});

it("a person's key calls by itself, within its scopes, and is narrowed by its owner", async () => {
  const { apiKey, secret } = await service
    .user()
    .createApiKey(
      { displayName: 'mine', scopes: ['account:read', 'account:write', 'users:read'] },
      root.options,
    );
  const mine = { id: apiKey?.id ?? '', secret };
  for (const protocol of PROTOCOLS) {
    expect((await service.user(protocol).getMe({}, by(mine))).user?.id).toBe(root.id);
    await service.admin(protocol).listUsers({}, bearer(secret));
  }
  const { apiKey: narrowed } = await service
    .user()
    .updateApiKey({ apiKey: { id: mine.id, scopes: ['account:read'], displayName: 'B' } }, root.options);
  expect(narrowed).toMatchObject({ displayName: 'B', scopes: ['account:read'], allowedCidrs: [] });
  expect(await reason(admin().listUsers({}, by(mine)))).toBe('INSUFFICIENT_SCOPE');
  expect((await service.user().getMe({}, by(mine))).user?.id).toBe(root.id);
  const wider = service
    .user()
    .updateApiKey({ apiKey: { id: mine.id, scopes: ['users:read'] } }, root.options);
  expect((await refusalOf(wider)).fields).toEqual(['api_key.scopes']);
});
