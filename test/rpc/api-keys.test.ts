// API keys over every protocol: what may be asked of one, from where it counts, and how it ends.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CreateApiKeyRequestSchema } from '../../gen/latchkey/v1/user_service_pb.ts';
import { InactiveReason, PrincipalKind } from '../../gen/latchkey/v1/token_pb.ts';
import { MAX_LIVE_KEYS } from '../../src/domain/api-key/key-rules.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { issueApiKey } from '../support/forged-tokens.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { DAY_MS } from '../support/samples.ts';
import {
  bearer,
  PROTOCOLS,
  signUp,
  startTestService,
  type Protocol,
  type TestService,
} from '../support/service.ts';

const TTL_MS = 15 * 60_000;
const PROXY = '127.0.0.1';

const clock = new FakeClock(Date.now());
let service: TestService;
let accounts = 0;
let me: Awaited<ReturnType<typeof signUp>>;
let headers: ReturnType<typeof bearer>;
let myId: string;

beforeAll(async () => {
  service = await startTestService({ clock, variables: { TRUSTED_PROXIES: PROXY } });
});
afterAll(() => service.stop());
beforeEach(async () => {
  accounts += 1;
  me = await signUp(service, `owner-${accounts}`);
  headers = bearer(me.accessToken);
  myId = decodeJwt(me.accessToken).sub ?? '';
});

const create = (
  change: MessageInitShape<typeof CreateApiKeyRequestSchema> = {},
  protocol: Protocol = 'grpc',
) => service.user(protocol).createApiKey({ displayName: 'CI', scopes: ['account:read'], ...change }, headers);
const created = async (change: MessageInitShape<typeof CreateApiKeyRequestSchema> = {}) => {
  const { apiKey, secret } = await create(change);
  return { id: apiKey?.id ?? '', secret };
};
const exchange = (secret: string, options: { scopes?: string[]; from?: string; protocol?: Protocol } = {}) =>
  service.auth(options.protocol ?? 'grpc').exchangeApiKey(
    { scopes: options.scopes ?? [] },
    {
      headers: {
        'x-api-key': secret,
        ...(options.from === undefined ? {} : { 'x-forwarded-for': options.from }),
      },
    },
  );
const reason = async (call: Promise<unknown>) => (await refusalOf(call)).reason;
const outcomeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'ok',
    async () => reason(call),
  );
const events = async (owner = headers) => (await service.user().listSecurityEvents({}, owner)).events;

/** Moves time on, and waits until the node knows again what is revoked. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await eventually(() => service.app.revocationIndex.isFresh());
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('a key is made, shown once, listed, used, and ends', async () => {
    const expireTime = timestampFromMs(clock.now() + DAY_MS);
    const { apiKey, secret } = await create(
      { displayName: '  CI é  ', expireTime, allowedCidrs: ['127.0.0.1', '::ffff:10.0.0.0/104'] },
      protocol,
    );
    expect(secret).toMatch(/^lkak_/);
    expect(apiKey).toMatchObject({
      ownerId: myId,
      displayName: 'CI é',
      scopes: ['account:read'],
      allowedCidrs: ['127.0.0.1/32', '10.0.0.0/8'],
      expireTime: { seconds: expireTime.seconds },
      useCount: 0n,
    });
    const user = service.user(protocol);
    expect((await user.listApiKeys({}, headers)).apiKeys).toEqual([apiKey]);
    await exchange(secret, { protocol });
    await exchange(secret, { protocol });
    await service.app.apiKeyUsage.flush();
    const [used] = (await user.listApiKeys({}, headers)).apiKeys;
    expect(used?.useCount).toBe(2n);
    expect(timestampMs(used?.lastUsedTime ?? expireTime)).toBe(clock.now());
    await user.revokeApiKey({ apiKeyId: apiKey?.id ?? '' }, headers);
    expect(await reason(exchange(secret, { protocol }))).toBe('TOKEN_REVOKED');
    expect((await user.listApiKeys({}, headers)).apiKeys).toEqual([]);
    expect(await reason(user.revokeApiKey({ apiKeyId: apiKey?.id ?? '' }, headers))).toBe(
      'API_KEY_NOT_FOUND',
    );
  });

  it('every rule that a request breaks is named at once', async () => {
    const { fields } = await refusalOf(
      create(
        {
          displayName: ' ',
          scopes: [],
          expireTime: timestampFromMs(clock.now()),
          allowedCidrs: ['10.0.0.5/8', '10.0.0.0/8', 'x'],
        },
        protocol,
      ),
    );
    expect(fields.toSorted()).toEqual([
      'allowed_cidrs[0]',
      'allowed_cidrs[2]',
      'display_name',
      'expire_time',
      'scopes',
    ]);
    const user = service.user(protocol);
    for (const overlap of [
      { seconds: -1n, nanos: 0 },
      { seconds: 0n, nanos: -1 },
      { seconds: 30n * 86_400n, nanos: 1 },
      { seconds: 2n ** 62n, nanos: 0 },
      { seconds: 1n, nanos: 2_000_000_000 },
    ]) {
      // JSON takes no duration that is none, and says so itself.
      if (protocol === 'connect' && (overlap.nanos > 999_999_999 || overlap.seconds > 315_576_000_000n))
        continue;
      expect(
        (await refusalOf(user.rotateApiKey({ apiKeyId: me.sessionId, overlap }, headers))).fields,
      ).toEqual(['overlap']);
    }
  });
});

describe('the expiry of a key', () => {
  it.each([
    ['now', 0, false],
    ['in a moment', 1, true],
    ['in 10 years', 3_650 * DAY_MS, true],
    ['a moment later', 3_650 * DAY_MS + 1, false],
    ['the year 1', -62_135_596_800_000 - clock.now(), false],
  ])('%s: %i ms from now is %s', async (_what, offset, isGood) => {
    const call = create({ expireTime: timestampFromMs(clock.now() + offset) });
    if (isGood) expect((await call).apiKey?.expireTime).toEqual(timestampFromMs(clock.now() + offset));
    else
      expect(await refusalOf(call)).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['expire_time'] });
  });

  it.each([
    { seconds: 2n ** 62n, nanos: 0 },
    { seconds: -(2n ** 62n), nanos: 0 },
    { seconds: 253_402_300_800n, nanos: 0 },
    { seconds: 4_102_444_800n, nanos: -1 },
    { seconds: 4_102_444_800n, nanos: 2_000_000_000 },
  ])('that is no time is refused: %o', async ({ seconds, nanos }) => {
    expect((await refusalOf(create({ expireTime: { seconds, nanos } }))).fields).toEqual(['expire_time']);
  });

  it('is kept, to the moment', async () => {
    const { secret } = await created({ expireTime: timestampFromMs(clock.now() + 60_000) });
    // Five seconds less than the key: so long a token passes after its end, for clocks that differ.
    expect((await exchange(secret)).expiresIn).toMatchObject({ seconds: 55n, nanos: 0 });
    await pass(59_999);
    expect((await exchange(secret)).expiresIn).toMatchObject({ seconds: 0n, nanos: 0 });
    clock.advance(1);
    expect(await reason(exchange(secret))).toBe('TOKEN_EXPIRED');
  });
});

describe('the scopes of a key', () => {
  it('are within what the role grants, and an attempt at more is written down', async () => {
    const scopes = ['account:read', 'users:write', 'no:such'];
    expect(await refusalOf(create({ scopes }))).toMatchObject({
      code: 'PermissionDenied',
      reason: 'INSUFFICIENT_SCOPE',
      metadata: { missing_scopes: 'users:write no:such' },
    });
    expect((await service.user().listApiKeys({}, headers)).apiKeys).toEqual([]);
    expect((await events())[0]).toMatchObject({ kind: 'api_key.create', reason: 'INSUFFICIENT_SCOPE' });
  });

  it('count as far as the role grants now, also in a key and a token from before', async () => {
    const setRole = (role: string) =>
      service.app.database.tables.updateTable('users').set({ role }).where('id', '=', myId).execute();
    await setRole('admin');
    const { id, secret } = await created({ scopes: ['users:read', 'account:read', 'tokens:validate'] });
    expect((await exchange(secret)).scopes).toEqual(['users:read', 'account:read', 'tokens:validate']);
    const validate = () => service.auth().validateToken({ token: me.accessToken }, bearer(secret));
    expect((await validate()).active).toBe(true);
    await setRole('user');
    // As whatever changes a role does.
    const minVersion = (await service.app.users.raiseEpochs(myId, clock.now())) ?? 0;
    service.app.revocationIndex.apply([
      { form: 'subject', id: myId, minVersion, revokeTime: clock.now(), expireTime: clock.now() + DAY_MS },
    ]);
    expect((await exchange(secret)).scopes).toEqual(['account:read']);
    expect(await reason(validate())).toBe('INSUFFICIENT_SCOPE');
    const { outcome } = await service
      .auth()
      .login({ identifier: `owner-${accounts}`, password: 'Correct-Horse-42-Staple!' });
    headers = bearer(outcome.case === 'tokens' ? outcome.value.accessToken : '');
    const { apiKey } = await service.user().rotateApiKey({ apiKeyId: id }, headers);
    expect(apiKey?.scopes).toEqual(['account:read']);
  });

  it('are asked for once each', async () => {
    const { apiKey } = await create({ scopes: ['account:read', 'account:read'] });
    expect(apiKey?.scopes).toEqual(['account:read']);
  });
});

describe('a key that is bound to networks', () => {
  it.each([
    [['198.51.100.0/24'], '198.51.100.7', true],
    [['198.51.100.0/24'], '::ffff:198.51.100.7', true],
    [['198.51.100.0/24'], '203.0.113.1, 198.51.100.7', true],
    [['198.51.100.0/24'], '198.51.100.7, 203.0.113.1', false],
    [['198.51.100.0/24'], '198.51.101.7', false],
    [['198.51.100.0/24'], undefined, false],
    [['127.0.0.0/8'], undefined, true],
    [['127.0.0.0/8'], '198.51.100.7', false],
    [['2001:db8::/32'], '2001:db8::7', true],
    [['2001:db8::/32'], '[2001:db8::7]:4711', true],
    [['2001:db8::/32'], '2001:db9::7', false],
    [['10.0.0.0/8', '2001:db8::/32'], '10.9.9.9', true],
  ])('%j, by a trusted proxy for %s: %s', async (allowedCidrs, from, isGood) => {
    const { secret } = await created({ allowedCidrs });
    for (const protocol of PROTOCOLS) {
      const call = exchange(secret, { protocol, ...(from === undefined ? {} : { from }) });
      if (isGood) expect((await call).scopes).toEqual(['account:read']);
      else expect(await reason(call)).toBe('TOKEN_INVALID');
    }
  });

  it('does not believe who is no trusted proxy', async () => {
    const other = await startTestService();
    const tokens = await signUp(other, 'bound');
    const { secret } = await other
      .user()
      .createApiKey(
        { displayName: 'A', scopes: ['account:read'], allowedCidrs: ['198.51.100.0/24'] },
        bearer(tokens.accessToken),
      );
    const spoofed = { headers: { 'x-api-key': secret, 'x-forwarded-for': '198.51.100.7' } };
    for (const protocol of PROTOCOLS)
      expect(await reason(other.auth(protocol).exchangeApiKey({}, spoofed))).toBe('TOKEN_INVALID');
    await other.stop();
  });

  it('is refused like a key that does not exist, and reveals nothing to a gateway', async () => {
    const { secret } = await created({ allowedCidrs: ['127.0.0.1'] });
    const stranger = await refusalOf(exchange(secret, { from: '203.0.113.1' }));
    const nobody = await refusalOf(
      exchange(service.app.apiKeyCodec.create(me.sessionId).text, { from: '203.0.113.1' }),
    );
    expect({ ...stranger, metadata: {} }).toEqual({ ...nobody, metadata: {} });
    const gateway = bearer(service.secrets?.gatewayApiKey ?? '');
    const verdict = await service.auth().validateToken({ token: secret }, gateway);
    expect(verdict.principal).toBeUndefined();
    expect(verdict).toMatchObject({
      active: false,
      inactiveReason: InactiveReason.INVALID,
    });
    const { accessToken, expiresIn } = await exchange(secret);
    expect(expiresIn).toMatchObject({ seconds: 300n });
    expect((await service.auth().validateToken({ token: accessToken }, gateway)).active).toBe(true);
  });

  it('asks about tokens from its network alone, whatever was answered before', async () => {
    await service.app.database.tables
      .updateTable('users')
      .set({ role: 'admin' })
      .where('id', '=', myId)
      .execute();
    const { secret } = await created({ scopes: ['tokens:validate'], allowedCidrs: ['127.0.0.1'] });
    const ask = (from?: string) =>
      service.auth().validateToken(
        { token: me.accessToken },
        {
          headers: {
            authorization: `Bearer ${secret}`,
            ...(from === undefined ? {} : { 'x-forwarded-for': from }),
          },
        },
      );
    expect((await ask()).active).toBe(true);
    expect((await ask()).active).toBe(true);
    expect(await reason(ask('203.0.113.1'))).toBe('TOKEN_INVALID');
    expect((await ask()).active).toBe(true);
  });
});

describe('the number of keys', () => {
  it(`is at most ${MAX_LIVE_KEYS} live ones, also when 60 are asked for at once`, async () => {
    const user = service.user();
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, () =>
        user.createApiKey({ displayName: 'A', scopes: ['account:read'] }, headers).then(
          ({ apiKey }) => apiKey?.id ?? '',
          () => 'refused',
        ),
      ),
    );
    const ids = outcomes.filter((outcome) => outcome !== 'refused');
    expect(ids).toHaveLength(MAX_LIVE_KEYS);
    expect(await refusalOf(create())).toMatchObject({ code: 'FailedPrecondition', reason: 'API_KEY_LIMIT' });
    const apiKeyId = ids[0] ?? '';
    expect(await reason(user.rotateApiKey({ apiKeyId }, headers))).toBe('API_KEY_LIMIT');
    const { apiKey } = await user.rotateApiKey({ apiKeyId, overlap: durationFromMs(0) }, headers);
    expect(await reason(create())).toBe('API_KEY_LIMIT');
    await user.revokeApiKey({ apiKeyId: apiKey?.id ?? '' }, headers);
    await create();
  });
});

describe('a rotation', () => {
  it('makes a key like the old one, which lives on for the overlap and not longer', async () => {
    const expireTime = timestampFromMs(clock.now() + 30 * DAY_MS);
    const old = await created({ displayName: 'deploy', allowedCidrs: ['127.0.0.0/8'], expireTime });
    // So that the node remembers it as it was.
    await exchange(old.secret);
    const { apiKey, secret } = await service
      .user()
      .rotateApiKey({ apiKeyId: old.id, overlap: durationFromMs(2_000) }, headers);
    expect(apiKey).toMatchObject({
      displayName: 'deploy',
      allowedCidrs: ['127.0.0.0/8'],
      expireTime,
      useCount: 0n,
    });
    expect(apiKey?.id).not.toBe(old.id);
    clock.advance(1_999);
    const { accessToken } = await exchange(old.secret);
    await exchange(secret);
    clock.advance(1);
    expect(await reason(exchange(old.secret))).toBe('TOKEN_REVOKED');
    expect(await reason(service.user().getMe({}, bearer(accessToken)))).toBe('TOKEN_REVOKED');
    await exchange(secret);
    await pass(DAY_MS);
    // Which of the two depends on whether the revocation is still kept: by the database's clock no day has passed.
    expect(await reason(exchange(old.secret))).toMatch(/^TOKEN_(?:EXPIRED|REVOKED)$/);
  });

  it('without overlap ends the old key and its tokens at once', async () => {
    const old = await created();
    const { accessToken } = await exchange(old.secret);
    await service.user().rotateApiKey({ apiKeyId: old.id, overlap: durationFromMs(0) }, headers);
    expect(await reason(exchange(old.secret))).toBe('TOKEN_REVOKED');
    expect(await reason(service.user().getMe({}, bearer(accessToken)))).toBe('TOKEN_REVOKED');
  });

  it('lengthens no life', async () => {
    const expireTime = timestampFromMs(clock.now() + 60_000);
    const old = await created({ expireTime });
    const { apiKey } = await service.user().rotateApiKey({ apiKeyId: old.id }, headers);
    expect(apiKey?.expireTime).toEqual(expireTime);
    const { apiKeys } = await service.user().listApiKeys({}, headers);
    expect(apiKeys.map((key) => key.expireTime)).toEqual([expireTime, expireTime]);
    await pass(60_000);
    expect(await reason(service.user().rotateApiKey({ apiKeyId: old.id }, headers))).toBe(
      'API_KEY_NOT_FOUND',
    );
  });

  it('a second time shortens the rest, and a revocation ends it', async () => {
    const old = await created();
    await exchange(old.secret);
    const rotate = (seconds: number) =>
      service.user().rotateApiKey({ apiKeyId: old.id, overlap: durationFromMs(seconds * 1_000) }, headers);
    await rotate(60);
    await rotate(10);
    await rotate(600);
    await pass(9_999);
    await exchange(old.secret);
    await service.user().revokeApiKey({ apiKeyId: old.id }, headers);
    expect(await reason(exchange(old.secret))).toBe('TOKEN_REVOKED');
  });

  it('of one key by many at once, without overlap, makes one', async () => {
    const old = await created();
    const rotate = () =>
      service.user().rotateApiKey({ apiKeyId: old.id, overlap: durationFromMs(0) }, headers);
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcomeOf(rotate())));
    expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1);
    expect(new Set(outcomes)).toEqual(new Set(['ok', 'API_KEY_NOT_FOUND']));
    expect((await service.user().listApiKeys({}, headers)).apiKeys).toHaveLength(1);
  });
});

describe("another's key", () => {
  it('is not there for a person, and no concern of a service', async () => {
    const mine = await created();
    const stranger = bearer((await signUp(service, `stranger-${accounts}`)).accessToken);
    const user = service.user();
    const ofService = await issueApiKey(service.app, ['account:write', 'account:read']);
    const ofNobody = me.sessionId;
    for (const apiKeyId of [mine.id, ofService.id, ofNobody]) {
      expect(await reason(user.revokeApiKey({ apiKeyId }, stranger))).toBe('API_KEY_NOT_FOUND');
      expect(await reason(user.rotateApiKey({ apiKeyId }, stranger))).toBe('API_KEY_NOT_FOUND');
      const change = { apiKey: { id: apiKeyId, displayName: 'B' } };
      expect(await reason(user.updateApiKey(change, stranger))).toBe('API_KEY_NOT_FOUND');
    }
    expect((await user.listApiKeys({}, stranger)).apiKeys).toEqual([]);
    const asService = bearer((await exchange(ofService.text)).accessToken);
    for (const call of [
      () => user.listApiKeys({}, asService),
      () => user.revokeApiKey({ apiKeyId: ofService.id }, asService),
      () => user.revokeApiKey({ apiKeyId: ofService.id }, bearer(ofService.text)),
    ])
      expect(await reason(call())).toBe('CREDENTIAL_NOT_ALLOWED');
    await exchange(mine.secret);
  });
});

describe('the token exchanged for a key', () => {
  it("is the owner's, says so, and dies with the key", async () => {
    const { id, secret } = await created({ scopes: ['account:read', 'account:write'] });
    const { accessToken, tokenType, expiresIn, scopes } = await exchange(secret);
    expect({ tokenType, scopes, seconds: expiresIn?.seconds }).toEqual({
      tokenType: 'Bearer',
      scopes: ['account:read', 'account:write'],
      seconds: BigInt(TTL_MS / 1_000),
    });
    const claims = decodeJwt(accessToken);
    expect(claims).toMatchObject({ sub: myId, sid: id, client_id: id, role: 'user', ver: 1, amr: [] });
    expect(claims).not.toHaveProperty('auth_time');
    const token = bearer(accessToken);
    expect((await service.user().getMe({}, token)).user?.id).toBe(myId);
    await service.user().revokeApiKey({ apiKeyId: id }, headers);
    expect(await reason(service.user().getMe({}, token))).toBe('TOKEN_REVOKED');
  });

  it('carries what is asked for, as far as the key does', async () => {
    const { secret } = await created({ scopes: ['account:read'] });
    expect((await exchange(secret, { scopes: ['account:write', 'account:read'] })).scopes).toEqual([
      'account:read',
    ]);
    const { scopes, accessToken } = await exchange(secret, { scopes: ['account:write'] });
    expect(scopes).toEqual([]);
    expect(await reason(service.user().getMe({}, bearer(accessToken)))).toBe('INSUFFICIENT_SCOPE');
  });

  it('is no login: it changes no credential, and ends no session', async () => {
    const { id, secret } = await created({ scopes: ['account:read', 'account:write'] });
    const token = bearer((await exchange(secret)).accessToken);
    const user = service.user();
    const input = { displayName: 'A', scopes: ['account:read'] };
    expect(await reason(user.createApiKey(input, token))).toBe('CREDENTIAL_NOT_ALLOWED');
    expect(await reason(user.rotateApiKey({ apiKeyId: id }, token))).toBe('CREDENTIAL_NOT_ALLOWED');
    expect(await reason(service.auth().logoutAll({}, token))).toBe('CREDENTIAL_NOT_ALLOWED');
    expect(await reason(user.revokeSession({ sessionId: id }, token))).toBe('SESSION_NOT_FOUND');
    const sessions = (await user.listSessions({}, token)).sessions;
    expect(sessions.map(({ id: session, current }) => [session, current])).toEqual([[me.sessionId, false]]);
    expect(await reason(service.auth().logout({}, token))).toBe('CREDENTIAL_NOT_ALLOWED');
    expect((await user.getMe({}, token)).user?.id).toBe(myId);
    await exchange(secret);
    expect((await user.getMe({}, headers)).user?.id).toBe(myId);
    // A key itself, and a token for another token: neither.
    expect(await reason(user.createApiKey(input, { headers: { 'x-api-key': secret } }))).toBe(
      'CREDENTIAL_NOT_ALLOWED',
    );
    expect(await reason(service.auth().exchangeApiKey({}, token))).toBe('CREDENTIAL_NOT_ALLOWED');
  });

  it('can be revoked alone, and dies with all that its owner holds', async () => {
    const { secret } = await created();
    const [one, other] = [await exchange(secret), await exchange(secret)];
    await service.auth().revokeToken({ token: one.accessToken });
    expect(await reason(service.user().getMe({}, bearer(one.accessToken)))).toBe('TOKEN_REVOKED');
    await service.user().getMe({}, bearer(other.accessToken));
    await service.auth().logoutAll({}, headers);
    expect(await reason(service.user().getMe({}, bearer(other.accessToken)))).toBe('TOKEN_REVOKED');
    await service.user().getMe({}, bearer((await exchange(secret)).accessToken));
  });

  it('is a service for a service, until its grants change', async () => {
    const { id, ownerId, text } = await issueApiKey(service.app, ['tokens:validate']);
    const { accessToken } = await exchange(text);
    expect(decodeJwt(accessToken)).toMatchObject({ sub: ownerId, client_id: ownerId, sid: id, role: '' });
    const ask = () => service.auth().validateToken({ token: accessToken }, bearer(accessToken));
    expect((await ask()).principal).toMatchObject({
      subjectId: ownerId,
      kind: PrincipalKind.SERVICE,
      scopes: ['tokens:validate'],
      sessionId: id,
    });
    // As whatever changes what a service is granted does.
    await service.app.database.tables
      .updateTable('service_accounts')
      .set({ scopes: [], token_version: 2 })
      .where('id', '=', ownerId)
      .execute();
    service.app.revocationIndex.apply([
      {
        form: 'subject',
        id: ownerId,
        minVersion: 2,
        revokeTime: clock.now(),
        expireTime: clock.now() + DAY_MS,
      },
    ]);
    expect(await reason(ask())).toBe('TOKEN_REVOKED');
    expect((await exchange(text)).scopes).toEqual([]);
  });

  it('is not to be had for the key of a suspended owner', async () => {
    const { secret } = await created();
    await exchange(secret);
    await service.app.database.tables
      .updateTable('users')
      .set({ status: 'suspended' })
      .where('id', '=', myId)
      .execute();
    const minVersion = (await service.app.users.raiseEpochs(myId, clock.now())) ?? 0;
    service.app.revocationIndex.apply([
      { form: 'subject', id: myId, minVersion, revokeTime: clock.now(), expireTime: clock.now() + DAY_MS },
    ]);
    expect(await reason(exchange(secret))).toBe('TOKEN_REVOKED');
  });

  it('does not outlive a revocation that it raced', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { id, secret } = await created();
      const [outcomes] = await Promise.all([
        Promise.allSettled(Array.from({ length: 5 }, () => exchange(secret))),
        service.user().revokeApiKey({ apiKeyId: id }, headers),
      ]);
      const tokens = outcomes.flatMap((outcome) =>
        outcome.status === 'fulfilled' ? [outcome.value.accessToken] : [],
      );
      for (const token of tokens)
        expect(await reason(service.user().getMe({}, bearer(token)))).toBe('TOKEN_REVOKED');
      expect(await reason(exchange(secret))).toBe('TOKEN_REVOKED');
    }
  });
});
