// What counts toward a limit, and what does not: requests that break their rules, failures, and what goes well.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BadRequestSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { ConnectError } from '@connectrpc/connect';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { basic, INTROSPECT, postForm, REVOKE } from '../support/oauth-calls.ts';
import { endingOf, refusalOf } from '../support/rpc-calls.ts';
import type { TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, PROTOCOLS, signIn, startTestService } from '../support/service.ts';

const clock = new FakeClock();
const REFUSED = 'ResourceExhausted RATE_LIMITED latchkey';
const ADA = { email: 'ada@example.com', password: GOOD_PASSWORD, fullName: 'Ada' };
let service: TestService;
let key: string;
beforeAll(async () => {
  service = await startTestService({
    clock,
    variables: {
      RATE_LIMITS: 'on',
      TRUSTED_PROXIES: '127.0.0.1',
      LIMIT_LOGIN_ADDRESS: 'off',
      LIMIT_LOGIN_ACCOUNT: '1000/1m',
      LIMIT_REFRESH_ADDRESS: '3/1m',
      LIMIT_REVOKE_ADDRESS: '3/1m',
      LIMIT_EXCHANGE_ACCOUNT: '3/1m',
      LIMIT_INTROSPECT_ADDRESS: '3/1m',
      LIMIT_MALFORMED_ADDRESS: '30/1m',
    },
  });
  await service.auth().register(ADA, somewhere());
  key = service.secrets?.gatewayApiKey ?? '';
});
afterAll(() => service.stop());

let places = 0;
function somewhere() {
  places += 1;
  return { headers: { 'x-forwarded-for': `198.51.${places >> 8}.${places & 255}` } };
}
const times = async (count: number, call: () => Promise<unknown>) => {
  const endings: string[] = [];
  for (let time = 0; time < count; time += 1) endings.push(await endingOf(call()));
  return endings;
};

describe.each(PROTOCOLS)('over %s', (protocol) => {
  const auth = () => service.auth(protocol);

  it('typos on a sign-up form use up no limit', async () => {
    const here = somewhere();
    const good = (name: string) => ({ ...ADA, email: `${name}@${protocol}.example.com` });
    const typos = [
      { ...ADA, email: 'ada@' },
      { ...ADA, password: 'short' },
      { ...ADA, password: 'Password1234!' },
      { ...ADA, fullName: '' },
      { ...ADA, username: '-' },
    ];
    for (const typo of typos)
      expect(await endingOf(auth().register(typo, here))).toContain('InvalidArgument');
    for (const name of ['one', 'two', 'three'])
      expect(await endingOf(auth().register(good(name), here))).toBe('OK');
    expect(await endingOf(auth().register(good('four'), here))).toBe(REFUSED);
    // What is wrong with a form can be learnt even then.
    expect(await endingOf(auth().register({ ...ADA, email: 'ada@' }, here))).toContain('VALIDATION_FAILED');
  });

  it('a registration gets all its violations at once', async () => {
    const error = ConnectError.from(
      await auth()
        .register({ email: 'nobody', username: '-', password: 'ada', fullName: '' }, somewhere())
        .catch((reason: unknown) => reason),
    );
    const violations = error.findDetails(BadRequestSchema).flatMap((request) => request.fieldViolations);
    const told = violations.map(({ field, reason }) => `${field} ${reason}`);
    expect(new Set(told)).toEqual(
      new Set([
        'email VALIDATION_FAILED',
        'username VALIDATION_FAILED',
        'password PASSWORD_POLICY',
        'full_name VALIDATION_FAILED',
      ]),
    );
    expect(told.filter((line) => line.startsWith('password')).length).toBeGreaterThan(3);
    const alone = await refusalOf(auth().register({ ...ADA, password: 'ada' }, somewhere()));
    expect(alone.reason).toBe('PASSWORD_POLICY');
  });

  it('a flood of malformed requests is bounded all the same', async () => {
    const here = somewhere();
    const endings = await times(40, () => auth().requestPasswordReset({ email: 'x' }, here));
    expect(endings.filter((ending) => ending === REFUSED)).toHaveLength(10);
    expect(await endingOf(auth().requestPasswordReset({ email: 'a@example.com' }, here))).toBe(REFUSED);
    clock.advance(61_000);
    expect(await endingOf(auth().requestPasswordReset({ email: `a@${protocol}.example` }, here))).toBe('OK');
  });

  it('RefreshToken counts what fails, not what goes well', async () => {
    const here = somewhere();
    let { refreshToken } = await signIn(service, ADA.email);
    for (let time = 0; time < 10; time += 1) {
      const { tokens } = await auth().refreshToken({ refreshToken }, here);
      refreshToken = tokens?.refreshToken ?? '';
    }
    const endings = await times(5, () => auth().refreshToken({ refreshToken: 'made-up' }, here));
    expect(endings.map((ending) => ending.split(' ')[1])).toEqual([
      'TOKEN_INVALID',
      'TOKEN_INVALID',
      'TOKEN_INVALID',
      'RATE_LIMITED',
      'RATE_LIMITED',
    ]);
    expect(await endingOf(auth().refreshToken({ refreshToken }, here))).toBe(REFUSED);
    expect(await endingOf(auth().refreshToken({ refreshToken }, somewhere()))).toBe('OK');
  });

  it('RevokeToken counts by address, ExchangeApiKey by the owner of the key', async () => {
    await eventually(() => service.app.revocationIndex.isFresh());
    const here = somewhere();
    expect(await times(4, () => auth().revokeToken({ token: 'made-up' }, here))).toEqual([
      'OK',
      'OK',
      'OK',
      REFUSED,
    ]);
    const exchange = () =>
      auth().exchangeApiKey({}, { headers: { ...bearer(key).headers, ...somewhere().headers } });
    expect(await times(4, exchange)).toEqual(['OK', 'OK', 'OK', REFUSED]);
    clock.advance(61_000);
    await eventually(() => service.app.revocationIndex.isFresh());
  });

  it('a refusal says in Retry-After when to come again, in whole seconds', async () => {
    const here = somewhere();
    await times(3, () => auth().revokeToken({ token: 'made-up' }, here));
    clock.advance(10_500);
    const error = ConnectError.from(
      await auth()
        .revokeToken({ token: 'made-up' }, here)
        .catch((reason: unknown) => reason),
    );
    expect(error.metadata.get('retry-after')).toBe('50');
    const invalid = ConnectError.from(
      await auth()
        .revokeToken({}, here)
        .catch((reason: unknown) => reason),
    );
    expect(invalid.metadata.get('retry-after')).toBeNull();
  });
});

describe('over plain HTTP', () => {
  it('a refused Connect call has the header on the response itself', async () => {
    const here = somewhere();
    await times(3, () => service.auth().revokeToken({ token: 'made-up' }, here));
    const answer = await fetch(`${service.httpUrl}/latchkey.v1.AuthService/RevokeToken`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...here.headers },
      body: '{"token":"made-up"}',
    });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '60']);
  });

  it('introspection counts callers whose credential is rejected, and no others', async () => {
    await eventually(() => service.app.revocationIndex.isFresh());
    const here = somewhere().headers;
    const good = { ...basic('gateway', key), ...here };
    for (let time = 0; time < 20; time += 1)
      expect((await postForm(service, INTROSPECT, { token: 'made-up' }, good)).status).toBe(200);
    const bad = { ...basic('gateway', `${key}x`), ...here };
    const statuses: number[] = [];
    for (let time = 0; time < 5; time += 1)
      statuses.push((await postForm(service, INTROSPECT, { token: 'made-up' }, bad)).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    const refused = await postForm(service, INTROSPECT, { token: 'made-up' }, good);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60']);
    expect(
      (await postForm(service, INTROSPECT, { token: 'x' }, { ...good, ...somewhere().headers })).status,
    ).toBe(200);
  });

  it('revocation counts by address, together with the RPC', async () => {
    const here = somewhere();
    await service.auth().revokeToken({ token: 'made-up' }, here);
    const statuses: number[] = [];
    for (let time = 0; time < 3; time += 1)
      statuses.push((await postForm(service, REVOKE, { token: 'made-up' }, here.headers)).status);
    expect(statuses).toEqual([200, 200, 429]);
  });
});
