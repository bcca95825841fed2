// The verifier against a real service: it accepts what is good, refuses what is forged or revoked, and says so when it cannot know.

import { randomUUID } from 'node:crypto';
import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import { InactiveReason } from '../../gen/latchkey/v1/token_pb.ts';
import type { RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import type { Verifier } from '../../src/verifier/index.ts';
import { createVerifier } from '../../src/verifier/index.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  signToken,
  strangersTokens,
  unsignedTokens,
  wrongAlgorithmTokens,
} from '../support/forged-tokens.ts';
import { bearer, signUp, startTestService, type TestService } from '../support/service.ts';
import { optionsFor, verifierMaker, wordOf } from '../support/verifiers.ts';

const INVALID = 'refused invalid';

let service: TestService;
let verifier: Verifier;
const makeVerifier = verifierMaker();

beforeAll(async () => {
  service = await startTestService();
  verifier = await makeVerifier(optionsFor(service));
});
afterAll(() => service.stop());

const judge = async (token: string, by = verifier) => wordOf(await by.verify(token));

/** What the service itself says of the token, in the verifier's words. */
async function judgeByService(token: string): Promise<string> {
  const key = bearer(service.secrets?.gatewayApiKey ?? '');
  const { active, inactiveReason } = await service.auth().validateToken({ token }, key);
  const [name = ''] = Object.entries(InactiveReason).find(([, value]) => value === inactiveReason) ?? [];
  return active ? 'accepted' : `refused ${name.toLowerCase()}`;
}

function revoke(...targets: RevocationTarget[]): void {
  const now = service.app.clock.now();
  service.app.revocationIndex.apply(targets.map((target) => revocation(target, now, 900_000)));
}

describe('a verifier', () => {
  it('accepts a token from a login, and tells what it says', async () => {
    const { accessToken, sessionId, scopes } = await signUp(service, 'ada');
    const verdict = await verifier.verify(accessToken);
    const { user } = await service.user().getMe({}, bearer(accessToken));
    expect(verdict).toMatchObject({
      outcome: 'accepted',
      token: { subjectId: user?.id, sessionId, scopes, kind: 'user', role: 'user', amr: ['pwd'] },
    });
    expect(await verifier.verify(accessToken)).toEqual(verdict);
  });

  it('accepts by GetJwks what it accepts by the document', async () => {
    const byCall = await makeVerifier({ ...optionsFor(service), jwks: service.transport('connect') });
    expect(await judge(await signToken(service.app), byCall)).toBe('accepted');
  });

  it('refuses every forged token that the service refuses, for the same reason', async () => {
    const now = Math.floor(service.app.clock.now() / 1000);
    const good = await signToken(service.app);
    const claims = [
      { exp: now - 60, iat: now - 600, nbf: now - 600 },
      { nbf: now + 60 },
      { aud: ['other'] },
      { aud: [] },
      { aud: 'latchkey.evil' },
      { iss: 'https://evil.example' },
      { iss: 'http://latchkey.test.evil.example' },
      ...['iss', 'sub', 'exp', 'nbf', 'iat', 'jti', 'ver', 'scope', 'role', 'aud', 'client_id'].map(
        (name) => ({
          [name]: undefined,
        }),
      ),
      { ver: '1' },
      { exp: `${now + 60}` },
    ];
    const headers = ['JWT', 'application/jwt', 'rt+jwt', 'id+jwt', '', undefined].map((typ) => ({ typ }));
    const forged = [
      ...Object.values(await wrongAlgorithmTokens(service.app)),
      ...Object.values(await unsignedTokens(service.app)),
      ...Object.values(await strangersTokens(service.app)),
      ...(await Promise.all(claims.map((changes) => signToken(service.app, changes)))),
      ...(await Promise.all(headers.map((header) => signToken(service.app, {}, header)))),
      'garbage',
      '..',
      `${good}x`,
      `x${good}`,
      `${good}=`,
      `${good}.e30`,
      good.slice(0, -1),
      'a'.repeat(16_000),
      'a.'.repeat(8_000),
    ];
    const offences: string[] = [];
    for (const token of forged) {
      const [found, expected] = [await judge(token), await judgeByService(token)];
      if (found !== expected || !found.startsWith('refused'))
        offences.push(`${token}: ${found}, ${expected}`);
    }
    expect(forged.length).toBeGreaterThan(40);
    expect(offences).toEqual([]);
    expect(await judge('')).toBe(INVALID);
    expect(await judge('a'.repeat(1_000_000))).toBe(INVALID);
    expect(await judge(good)).toBe('accepted');
  });

  it('refuses an API key and a refresh token: they cannot be told offline', async () => {
    const { refreshToken } = await signUp(service, 'grace');
    expect(await judge(refreshToken)).toBe(INVALID);
    expect(await judge(service.secrets?.gatewayApiKey ?? '')).toBe(INVALID);
  });

  it('has its own audience, and no other', async () => {
    const ours = await makeVerifier({ ...optionsFor(service), audience: 'shop' });
    expect(await judge(await signToken(service.app, { aud: ['shop', 'latchkey'] }), ours)).toBe('accepted');
    expect(await judge(await signToken(service.app), ours)).toBe('refused wrong_audience');
  });

  it('refuses what is revoked, also what it accepted a moment ago', async () => {
    const [jti, sid, sub] = [randomUUID(), randomUUID(), randomUUID()];
    const tokens = [
      await signToken(service.app, { jti }),
      await signToken(service.app, { sid }),
      await signToken(service.app, { sub, ver: 1 }),
    ];
    for (const token of tokens) expect(await judge(token)).toBe('accepted');
    const bystander = await signToken(service.app);
    revoke(
      { form: 'token', id: jti },
      { form: 'session', id: sid },
      { form: 'subject', id: sub, minVersion: 2 },
    );
    for (const token of tokens) await eventually(async () => (await judge(token)) === 'refused revoked');
    expect(await judge(await signToken(service.app, { sub, ver: 2 }))).toBe('accepted');
    expect(await judge(bystander)).toBe('accepted');
    // And one that begins later knows it from the snapshot.
    const late = await makeVerifier(optionsFor(service));
    for (const token of tokens) expect(await judge(token, late)).toBe('refused revoked');
  });

  it('lets what ends later live until then', async () => {
    const clock = new FakeClock(Date.now());
    const here = await makeVerifier({ ...optionsFor(service), clock });
    const sid = randomUUID();
    const token = await signToken(service.app, { sid });
    const marker = randomUUID();
    revoke({ form: 'session', id: sid, effectTime: clock.now() + 4_000 }, { form: 'token', id: marker });
    const marked = await signToken(service.app, { jti: marker });
    await eventually(async () => (await judge(marked, here)) === 'refused revoked');
    expect(await judge(token, here)).toBe('accepted');
    clock.advance(4_000);
    expect(await judge(token, here)).toBe('refused revoked');
  });

  it('refuses a token at its time, whatever it remembers', async () => {
    const clock = new FakeClock(Date.now());
    const here = await makeVerifier({ ...optionsFor(service), clock });
    const exp = Math.floor(clock.now() / 1000) + 3;
    const token = await signToken(service.app, { exp });
    expect(await judge(token, here)).toBe('accepted');
    clock.set(exp * 1000 + 4_999);
    expect(await judge(token, here)).not.toMatch(/^refused/);
    clock.set(exp * 1000 + 5_000);
    expect(await judge(token, here)).toBe('refused expired');
  });
});

describe('a verifier that lost the service', () => {
  it('goes on for as long as it may, then says that it cannot know, and never accepts', async () => {
    const mortal = await startTestService();
    // Not before: its tokens would be of the future.
    const clock = new FakeClock(Date.now());
    const faults: Error[] = [];
    const options = { ...optionsFor(mortal), clock, onFault: (error: Error) => faults.push(error) };
    const here = await makeVerifier(options);
    const token = await signToken(mortal.app);
    const forged = Object.values(await strangersTokens(mortal.app))[1] ?? '';
    expect(await judge(token, here)).toBe('accepted');
    await mortal.stop();
    clock.advance(3_000);
    expect(await judge(token, here)).toBe('accepted');
    clock.advance(2_001);
    expect(await judge(token, here)).toBe('unavailable revocations_stale');
    expect(await judge(forged, here)).toBe(INVALID);
    expect(here.isFresh()).toBe(false);
    await eventually(() => faults.length > 2);
    expect(await judge(token, here)).toBe('unavailable revocations_stale');
  });

  it('never had the keys: it cannot know', async () => {
    const clock = new FakeClock(Date.now());
    const here = createVerifier({ ...optionsFor(service), jwks: 'http://127.0.0.1:1/jwks.json', clock });
    expect(await judge(await signToken(service.app), here)).toBe('unavailable keys_unavailable');
    here.close();
  });

  it.each(['', 'lkak_wrong'])(
    'is not let in with the key %j, tells why, and accepts nothing',
    async (apiKey) => {
      const faults: Error[] = [];
      const here = createVerifier({
        ...optionsFor(service),
        apiKey,
        onFault: (error) => faults.push(error),
      });
      await eventually(() => faults.length > 0);
      expect(faults[0]?.message).toMatch(/credential/);
      expect(await judge(await signToken(service.app), here)).toBe('unavailable revocations_stale');
      here.close();
    },
  );
});

it('refuses options that cannot be right', () => {
  const good = optionsFor(service);
  expect(() => createVerifier({ ...good, staleAfterMs: 1_999 })).toThrow(RangeError);
  expect(() => createVerifier({ ...good, staleAfterMs: Number.NaN })).toThrow(RangeError);
  expect(() => createVerifier({ ...good, revocations: [] })).toThrow(RangeError);
  expect(() => createVerifier({ ...good, revocations: 'nowhere' })).toThrow(TypeError);
  expect(() => createVerifier({ ...good, jwks: 'nowhere' })).toThrow(TypeError);
});
