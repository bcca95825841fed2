// A back end states whose call it forwards, by a key with the scope for it; no other caller is believed.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FORWARD_SCOPE } from '../../src/edge/pipeline/stated-address.ts';
import { byPassword } from '../support/proofs.ts';
import type { Member } from '../support/members.ts';
import { firstAdministrator } from '../support/members.ts';
import { endingOf } from '../support/rpc-calls.ts';
import type { Protocol, TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, PROTOCOLS, startTestService } from '../support/service.ts';

const REFUSED = 'ResourceExhausted RATE_LIMITED latchkey';
const BAD_LOGIN = 'Unauthenticated INVALID_CREDENTIALS latchkey';
const variables = {
  RATE_LIMITS: 'on',
  LIMIT_LOGIN_ADDRESS: '3/1h',
  LIMIT_LOGIN_ACCOUNT: 'off',
  LIMIT_MAIL_ADDRESS: '3/1h',
};
let service: TestService;
let root: Member;
let forwarder: string;
beforeAll(async () => {
  service = await startTestService({ variables });
  root = await firstAdministrator(service);
  forwarder = await keyOf([FORWARD_SCOPE]);
  await service.auth().register({ email: 'ada@example.com', password: GOOD_PASSWORD, fullName: 'Ada' });
});
afterAll(() => service.stop());

let names = 0;
/** A key of a new service. */
async function keyOf(scopes: string[], allowedCidrs: string[] = []): Promise<string> {
  names += 1;
  const admin = service.admin();
  const { serviceAccount } = await admin.createServiceAccount({ name: `s-${names}`, scopes }, root.options);
  const owner = { serviceAccountId: serviceAccount?.id ?? '', displayName: 'A', scopes, allowedCidrs };
  return (await admin.createServiceApiKey(owner, root.options)).secret;
}

let places = 0;
const somewhere = () => {
  places += 1;
  return `198.51.100.${places}`;
};
let people = 0;
const tryLogin = (headers: Record<string, string>, protocol: Protocol = 'grpc', of = service) => {
  people += 1;
  const request = { identifier: `nobody${people}`, password: GOOD_PASSWORD };
  return endingOf(of.auth(protocol).login(request, { headers }));
};

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('the users of a back end with the scope count each for themselves', async () => {
    const [here, there] = [somewhere(), somewhere()];
    const from = (address: string) => ({ 'x-api-key': forwarder, 'x-forwarded-for': address });
    for (let time = 0; time < 3; time += 1) expect(await tryLogin(from(here), protocol)).toBe(BAD_LOGIN);
    expect(await tryLogin(from(here), protocol)).toBe(REFUSED);
    expect(await tryLogin(from(there), protocol)).toBe(BAD_LOGIN);
    // What the user says of earlier hops is not the back end's word.
    expect(await tryLogin(from(`${somewhere()}, ${here}`), protocol)).toBe(REFUSED);
  });
});

it('a stated address stands in the session list, and counts beside a person’s own credential', async () => {
  const here = somewhere();
  const headers = { 'x-api-key': forwarder, 'x-forwarded-for': here };
  const { outcome } = await service
    .auth()
    .login({ identifier: 'ada@example.com', password: GOOD_PASSWORD }, { headers });
  const { accessToken = '' } = outcome.case === 'tokens' ? outcome.value : {};
  const { sessions } = await service.user().listSessions({}, bearer(accessToken));
  expect(sessions.map(({ ipAddress }) => ipAddress)).toEqual([here]);
  const change = (address: string) =>
    endingOf(
      service
        .user()
        .startEmailChange(
          { newEmail: `ada${(people += 1)}@example.com`, ...byPassword() },
          { headers: { ...bearer(accessToken).headers, ...headers, 'x-forwarded-for': address } },
        ),
    );
  for (let time = 0; time < 3; time += 1) expect(await change(here)).toBe('OK');
  expect(await change(here)).toBe(REFUSED);
  expect(await change(somewhere())).toBe('OK');
});

it('no other caller is believed: all of them count as the address that they call from', async () => {
  const person = await service
    .user()
    .createApiKey({ displayName: 'A', scopes: ['account:read'] }, root.options);
  const foreign = forwarder.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
  const keys = {
    none: undefined,
    'made up': foreign,
    'without the scope': await keyOf(['tokens:validate']),
    'a person’s': person.secret,
    'bound to another network': await keyOf([FORWARD_SCOPE], ['192.0.2.0/24']),
  };
  const endings: string[] = [];
  for (const key of Object.values(keys))
    endings.push(
      await tryLogin({
        'x-forwarded-for': somewhere(),
        ...(key === undefined ? {} : { 'x-api-key': key }),
      }),
    );
  for (const text of ['garbage', '', '198.51.100.300'])
    endings.push(await tryLogin({ 'x-forwarded-for': text, 'x-api-key': forwarder }));
  endings.push(await tryLogin({ 'x-forwarded-for': somewhere(), authorization: `Bearer ${forwarder}` }));
  // The first administrator's login was one from here.
  expect(endings.filter((ending) => ending === REFUSED)).toHaveLength(endings.length - 2);
});

it('behind a trusted proxy, the back end is believed one hop further', async () => {
  const behind = await startTestService({ variables: { ...variables, TRUSTED_PROXIES: '127.0.0.1' } });
  const admin = await firstAdministrator(behind);
  const { serviceAccount } = await behind
    .admin()
    .createServiceAccount({ name: 'bff', scopes: [FORWARD_SCOPE] }, admin.options);
  const owner = { serviceAccountId: serviceAccount?.id ?? '', displayName: 'A', scopes: [FORWARD_SCOPE] };
  const { secret } = await behind.admin().createServiceApiKey(owner, admin.options);
  const backEnd = '203.0.113.50';
  const call = (user: string, key?: string) =>
    tryLogin(
      { 'x-forwarded-for': `${user}, ${backEnd}`, ...(key === undefined ? {} : { 'x-api-key': key }) },
      'grpc',
      behind,
    );
  const here = somewhere();
  for (let time = 0; time < 3; time += 1) expect(await call(here, secret)).toBe(BAD_LOGIN);
  expect(await call(here, secret)).toBe(REFUSED);
  expect(await call(somewhere(), secret)).toBe(BAD_LOGIN);
  for (let time = 0; time < 3; time += 1) expect(await call(somewhere())).toBe(BAD_LOGIN);
  expect(await call(somewhere())).toBe(REFUSED);
  await behind.stop();
});
