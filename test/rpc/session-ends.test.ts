// No access token outlives its session, and ending a session that has ended already ends its tokens.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../support/fake-clock.ts';
import { eventually } from '../support/eventually.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import type { TestService } from '../support/service.ts';
import { bearer, PROTOCOLS, signUp, startTestService } from '../support/service.ts';

const MAX_AGE_MS = 60_000;
const TTL_MS = 40_000;
const SKEW_MS = 5_000;

const clock = new FakeClock(Math.ceil(Date.now() / 1000) * 1000);
let service: TestService;
let names = 0;
beforeAll(async () => {
  const variables = { SESSION_MAX_AGE: '60s', ACCESS_TOKEN_TTL: '40s', REFRESH_TOKEN_TTL: '50s' };
  service = await startTestService({ clock, variables });
});
afterAll(() => service.stop());
const advance = async (ms: number) => {
  clock.advance(ms);
  await eventually(() => service.app.revocationIndex.isFresh());
};
beforeEach(() => advance(0));

const msOf = (duration: { readonly seconds: bigint; readonly nanos: number } | undefined) =>
  Number(duration?.seconds ?? 0) * 1_000 + (duration?.nanos ?? 0) / 1e6;
const isGood = async (token: string) => {
  const { gatewayApiKey = '' } = service.secrets ?? {};
  const verdict = await service.auth().validateToken({ token }, { headers: { 'x-api-key': gatewayApiKey } });
  return verdict.active;
};
const newName = () => `person-${(names += 1)}`;

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('an access token is dead when the session has reached its greatest age', async () => {
    const first = await signUp(service, newName());
    expect(msOf(first.expiresIn)).toBe(TTL_MS);
    await advance(30_000);
    const { tokens } = await service.auth(protocol).refreshToken({ refreshToken: first.refreshToken });
    expect(msOf(tokens?.expiresIn)).toBe(MAX_AGE_MS - 30_000 - SKEW_MS);
    await advance(MAX_AGE_MS - 30_000 - 1);
    expect(await isGood(tokens?.accessToken ?? '')).toBe(true);
    await advance(1);
    expect(await isGood(tokens?.accessToken ?? '')).toBe(false);
  });

  it('the retry of a refresh gets no longer a token than the refresh', async () => {
    const first = await signUp(service, newName());
    await advance(30_000);
    const refresh = () => service.auth(protocol).refreshToken({ refreshToken: first.refreshToken });
    await refresh();
    expect(msOf((await refresh()).tokens?.expiresIn)).toBe(MAX_AGE_MS - 30_000 - SKEW_MS);
  });

  it('logging out ends the tokens of a session that has expired, and of one whose row is gone', async () => {
    const tables = service.app.database.tables;
    for (const isGone of [false, true]) {
      const { accessToken, sessionId } = await signUp(service, newName());
      const expired = { expire_time: new Date(clock.now() - 1) };
      if (isGone) await tables.deleteFrom('sessions').where('id', '=', sessionId).execute();
      else await tables.updateTable('sessions').set(expired).where('id', '=', sessionId).execute();
      expect(await isGood(accessToken)).toBe(true);
      await service.auth(protocol).logout({}, bearer(accessToken));
      expect(await isGood(accessToken)).toBe(false);
    }
  });

  it('so does revoking the session, or its refresh token, once', async () => {
    const [user, auth] = [service.user(protocol), service.auth(protocol)];
    const expire = (id: string) =>
      service.app.database.tables
        .updateTable('sessions')
        .set({ expire_time: new Date(clock.now() - 1) })
        .where('id', '=', id)
        .execute();
    const [own, revoked] = [await signUp(service, newName()), await signUp(service, newName())];
    for (const { sessionId } of [own, revoked]) await expire(sessionId);
    await user.revokeSession({ sessionId: own.sessionId }, bearer(own.accessToken));
    await auth.revokeToken({ token: revoked.refreshToken });
    await auth.revokeToken({ token: revoked.refreshToken });
    for (const { accessToken } of [own, revoked]) expect(await isGood(accessToken)).toBe(false);
    const events = await service.app.database.tables
      .selectFrom('audit_events')
      .select('kind')
      .where('target_id', '=', revoked.sessionId)
      .where('kind', '=', 'token.revoke')
      .execute();
    expect(events).toHaveLength(1);
  });
});

it('a session that was revoked is not found to be revoked again', async () => {
  const name = newName();
  const [first, second] = [await signUp(service, name), await signUp(service, newName())];
  const again = await service.auth().login({ identifier: name, password: 'Correct-Horse-42-Staple!' });
  if (again.outcome.case !== 'tokens') throw new Error('no tokens');
  const caller = bearer(again.outcome.value.accessToken);
  const revoke = (sessionId: string) => service.user().revokeSession({ sessionId }, caller);
  await revoke(first.sessionId);
  expect((await refusalOf(revoke(first.sessionId))).reason).toBe('SESSION_NOT_FOUND');
  expect((await refusalOf(revoke(second.sessionId))).reason).toBe('SESSION_NOT_FOUND');
  expect(await isGood(second.accessToken)).toBe(true);
});
