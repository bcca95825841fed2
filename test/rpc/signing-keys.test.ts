// Signing keys over every protocol: what operators see of them, and what each way of changing them does.

import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SigningKeyState } from '../../gen/latchkey/v1/signing_key_pb.ts';
import { PUBLICATION_LEAD_MS, SPREAD_MS } from '../../src/domain/keyset/signing-key.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { firstAdministrator, member } from '../support/members.ts';
import type { Member } from '../support/members.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { bearer, PROTOCOLS, startTestService } from '../support/service.ts';
import type { TestService } from '../support/service.ts';

const TTL_MS = 15 * 60_000;
const { PUBLISHED, SIGNING, VERIFYING } = SigningKeyState;

let clock: FakeClock;
let service: TestService;
let root: Member;
beforeEach(async () => {
  clock = new FakeClock(Date.now());
  service = await startTestService({ clock });
  root = await firstAdministrator(service);
});
afterEach(() => service.stop());

const rotate = (change: { immediately?: boolean; retireOthers?: boolean } = {}, options = root.options) =>
  service.admin().rotateSigningKey(change, options);
const list = async (options = root.options) =>
  (await service.admin().listSigningKeys({}, options)).signingKeys;
const states = async (options = root.options) =>
  (await list(options)).map(({ kid, state }) => ({ kid, state }));
const reason = async (call: Promise<unknown>) => (await refusalOf(call)).reason;
/** Moves time on, and waits until the node knows again what is revoked. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await eventually(() => service.app.revocationIndex.isFresh());
}
const msOf = (time: Timestamp | undefined) => (time === undefined ? NaN : timestampMs(time));
const kidOf = (token: string): unknown =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: unknown }).kid;
const events = () =>
  service.app.database.tables
    .selectFrom('audit_events')
    .select(['kind', 'outcome', 'reason', 'actor_id', 'target_id', 'details'])
    .where('kind', 'like', 'signing_key.%')
    .where('kind', '<>', 'signing_key.create')
    .orderBy('id')
    .execute();

it.each(PROTOCOLS)('over %s, a key is published, signs, and makes the other verify', async (protocol) => {
  const calls = service.admin(protocol);
  const [first] = await list();
  expect(first).toMatchObject({ algorithm: 'ES256', state: SIGNING, kid: kidOf(root.accessToken) });
  expect(first?.retireTime).toBeUndefined();
  const { signingKey } = await calls.rotateSigningKey({}, root.options);
  expect(signingKey).toMatchObject({ state: PUBLISHED, algorithm: 'ES256' });
  const activateTime = msOf(signingKey?.activateTime);
  expect(activateTime).toBe(clock.now() + PUBLICATION_LEAD_MS);
  const { signingKeys } = await calls.listSigningKeys({}, root.options);
  expect(signingKeys.map(({ kid }) => kid)).toEqual([signingKey?.kid, first?.kid]);
  expect(msOf(signingKeys[1]?.retireTime)).toBe(activateTime + TTL_MS + PUBLICATION_LEAD_MS);
  const { keys } = await service.auth().getJwks({});
  expect(new Set(keys.map(({ kid }) => kid))).toEqual(new Set([signingKey?.kid, first?.kid]));
  const pending = await refusalOf(calls.rotateSigningKey({}, root.options));
  expect(pending).toMatchObject({ reason: 'ROTATION_PENDING', metadata: { kid: signingKey?.kid } });

  await pass(PUBLICATION_LEAD_MS - 1);
  expect(
    kidOf((await service.auth().refreshToken({ refreshToken: root.refreshToken })).tokens?.accessToken ?? ''),
  ).toBe(first?.kid);
  clock.advance(1);
  const again = await firstAdministrator(service);
  expect(kidOf(again.accessToken)).toBe(signingKey?.kid);
  expect(await states()).toEqual([
    { kid: signingKey?.kid, state: SIGNING },
    { kid: first?.kid, state: VERIFYING },
  ]);
  expect(await states(again.options)).toHaveLength(2);
  expect(await events()).toMatchObject([
    { kind: 'signing_key.rotate', outcome: 'success', actor_id: root.id, target_id: signingKey?.kid },
    { kind: 'signing_key.rotate', outcome: 'refused', reason: 'ROTATION_PENDING', actor_id: root.id },
  ]);
});

describe('immediately', () => {
  it('a new key signs when every node has had the time to read it, and the old one verifies', async () => {
    const { signingKey } = await rotate({ immediately: true });
    expect(signingKey?.state).toBe(PUBLISHED);
    const again = await rotate({ immediately: true });
    expect(again.signingKey).toEqual(signingKey);
    clock.advance(SPREAD_MS);
    const next = await firstAdministrator(service);
    expect(kidOf(next.accessToken)).toBe(signingKey?.kid);
    expect((await states()).map(({ state }) => state)).toEqual([SIGNING, VERIFYING]);
  });

  it('a key that is published already is brought forward', async () => {
    const { signingKey } = await rotate();
    const brought = await rotate({ immediately: true });
    expect(brought.signingKey?.kid).toBe(signingKey?.kid);
    clock.advance(SPREAD_MS);
    expect(kidOf((await firstAdministrator(service)).accessToken)).toBe(signingKey?.kid);
    expect(await list()).toHaveLength(2);
  });
});

describe('retiring the others', () => {
  it('refuses at once what they signed, wherever it is cached, and sessions go on', async () => {
    const gateway = bearer(service.secrets?.gatewayApiKey ?? '');
    const token = root.accessToken;
    const validate = () => service.auth().validateToken({ token }, gateway);
    for (let look = 0; look < 3; look += 1) expect((await validate()).active).toBe(true);
    const asked = () =>
      service.auth().validateToken({ token: service.secrets?.gatewayApiKey ?? '' }, root.options);
    for (let look = 0; look < 3; look += 1) expect((await asked()).active).toBe(true);
    const gone = new AbortController();
    const stream = service.auth().watchRevocations({}, { ...root.options, signal: gone.signal });
    const ended = (async () => {
      for await (const _ of stream);
    })();
    await rotate();

    const { signingKey } = await rotate({ immediately: true, retireOthers: true });
    expect(signingKey?.state).toBe(SIGNING);
    expect(await validate()).toMatchObject({ active: false });
    expect(await reason(asked())).toBe('TOKEN_INVALID');
    expect(await reason(list())).toBe('TOKEN_INVALID');
    expect(await reason(ended)).toBe('TOKEN_INVALID');
    expect((await service.auth().getJwks({})).keys.map(({ kid }) => kid)).toEqual([signingKey?.kid]);

    const { tokens } = await service.auth().refreshToken({ refreshToken: root.refreshToken });
    const fresh = bearer(tokens?.accessToken ?? '');
    expect(await states(fresh)).toEqual([{ kid: signingKey?.kid, state: SIGNING }]);
    const kinds = (await events()).map(({ kind, details }) => [kind, details?.['retire_others']]);
    expect(kinds).toEqual([
      ['signing_key.rotate', 'false'],
      ['signing_key.rotate', 'true'],
      ['signing_key.retire', 'true'],
      ['signing_key.retire', 'true'],
    ]);
  });

  it('again retires the key that was new before', async () => {
    await rotate({ immediately: true });
    clock.advance(SPREAD_MS);
    const next = await firstAdministrator(service);
    const { signingKey } = await rotate({ immediately: true, retireOthers: true }, next.options);
    expect(await reason(list(next.options))).toBe('TOKEN_INVALID');
    const last = await firstAdministrator(service);
    expect(await states(last.options)).toEqual([{ kid: signingKey?.kid, state: SIGNING }]);
  });

  it('is only for an immediate change', async () => {
    const refused = await refusalOf(rotate({ retireOthers: true }));
    expect(refused).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['retire_others'] });
    expect(await list()).toHaveLength(1);
  });
});

it('of many who ask at once, one publishes', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, () =>
      rotate().then(
        () => 'ok',
        async () => 'refused',
      ),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1);
  expect(await list()).toHaveLength(2);
});

it('is for a super_admin who has logged in of late', async () => {
  const admin = await member(service, 'admin-1', 'admin');
  expect(await reason(list(admin.options))).toBe('INSUFFICIENT_SCOPE');
  expect(await reason(rotate({}, admin.options))).toBe('INSUFFICIENT_SCOPE');
  await pass(5 * 60_000 + 1);
  expect(await reason(rotate())).toBe('STEP_UP_REQUIRED');
  expect(await list()).toHaveLength(1);
});
