// CheckPassword, and what a known breach means where people choose a password.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { breachCheckOff } from '../../src/domain/password/breached-passwords.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { http, range, sha1, startRangeServer, type RangeServer } from '../support/range-server.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { countRows } from '../support/row-counts.ts';
import { eventually } from '../support/eventually.ts';
import {
  bearer,
  GOOD_PASSWORD,
  PROTOCOLS,
  signUp,
  startTestService,
  type TestService,
} from '../support/service.ts';

const BREACHED = 'Breached-Horse-42-Staple!';

let list: RangeServer;
let clock: FakeClock;
let service: TestService;
beforeAll(async () => {
  list = await startRangeServer();
  clock = new FakeClock();
  service = await startTestService({ clock, variables: { BREACH_CHECK_URL: list.url } });
});
afterAll(async () => {
  await service.stop();
  await list.stop();
});
beforeEach(async () => {
  list.answerWith(range({ [BREACHED]: 3 }));
  clock.advance(60_000);
  await eventually(() => service.app.revocationIndex.isFresh());
});

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('reports every broken rule, or none', async () => {
    const auth = service.auth(protocol);
    const good = await auth.checkPassword({ password: GOOD_PASSWORD });
    expect(good).toMatchObject({ acceptable: true, violations: [], breached: false });
    const weak = await auth.checkPassword({ password: 'zqjvw' });
    expect(weak).toMatchObject({ acceptable: false, breached: false });
    expect(weak.violations).toEqual([
      'must have at least 12 characters',
      'must hold an upper-case letter',
      'must hold a digit',
      'must hold a special character',
    ]);
    const own = { email: 'Mary.Shelley@example.com', username: 'mary_shelley', fullName: 'Mary Shelley' };
    for (const [name, value] of Object.entries(own)) {
      const { violations } = await auth.checkPassword({
        password: `${value.replace(/ /g, '')}-A1`,
        [name]: value,
      });
      expect(violations).toEqual(['must not be built on your own e-mail address or name']);
    }
  });

  it('reports a breach, beside the rules', async () => {
    const auth = service.auth(protocol);
    expect(await auth.checkPassword({ password: BREACHED })).toMatchObject({
      acceptable: false,
      violations: [],
      breached: true,
    });
    list.answerWith(range({ abc: 1_000_000 }));
    const both = await auth.checkPassword({ password: 'abc' });
    expect(both.breached).toBe(true);
    expect(both.violations.length).toBeGreaterThan(2);
  });

  it('names what cannot be read', async () => {
    const auth = service.auth(protocol);
    const refusal = await refusalOf(
      auth.checkPassword({ email: 'nobody', username: 'a b', fullName: 'a'.repeat(201) }),
    );
    expect(refusal).toMatchObject({ code: 'InvalidArgument', reason: 'VALIDATION_FAILED' });
    expect(refusal.fields).toEqual(['password', 'email', 'username', 'full_name']);
    expect((await refusalOf(auth.checkPassword({ password: 'a'.repeat(129) }))).fields).toEqual(['password']);
  });

  it('a breached password opens no account, and replaces none', async () => {
    const email = `breached-${protocol}@example.com`;
    const register = { email, password: BREACHED, fullName: 'A' };
    const before = await countRows(service);
    expect(await refusalOf(service.auth(protocol).register(register))).toMatchObject({
      code: 'InvalidArgument',
      reason: 'PASSWORD_BREACHED',
      fields: ['password'],
    });
    expect(await countRows(service)).toEqual(before);
    const { accessToken } = await signUp(service, `owner-${protocol}`);
    const change = { currentPassword: GOOD_PASSWORD, newPassword: BREACHED };
    expect(await refusalOf(service.user(protocol).changePassword(change, bearer(accessToken)))).toMatchObject(
      {
        reason: 'PASSWORD_BREACHED',
        fields: ['new_password'],
      },
    );
  });
});

it('no request is sent where the check is off', async () => {
  const quiet = await startTestService();
  expect(quiet.app.breachedPasswords).toBe(breachCheckOff);
  expect(await quiet.auth().checkPassword({ password: BREACHED })).toMatchObject({ acceptable: true });
  await quiet.stop();
});

it('keeps nothing', async () => {
  const before = await countRows(service);
  const events = () => service.app.database.tables.selectFrom('audit_events').select('id').execute();
  const { length } = await events();
  await service.auth().checkPassword({ password: BREACHED, email: 'a@example.com' });
  expect(await countRows(service)).toEqual(before);
  expect(await events()).toHaveLength(length);
});

it('is asked for no password that breaks a rule already', async () => {
  const before = list.received.length;
  await refusalOf(service.auth().register({ email: 'weak@example.com', password: 'zqjvw', fullName: 'A' }));
  expect(list.received).toHaveLength(before);
  await service.auth().register({ email: 'fine@example.com', password: GOOD_PASSWORD, fullName: 'A' });
  expect(list.received).toHaveLength(before + 1);
  expect(list.received.at(-1)).toMatch(new RegExp(`^GET /range/${sha1(GOOD_PASSWORD).slice(0, 5)} HTTP`));
});

it('lets people go on when the list is away', async () => {
  list.answerWith(http('500 Internal Server Error', ''));
  expect(await service.auth().checkPassword({ password: BREACHED })).toMatchObject({
    acceptable: true,
    breached: false,
  });
  await service.auth().register({ email: 'away@example.com', password: BREACHED, fullName: 'A' });
  const { outcome } = await service.auth().login({ identifier: 'away@example.com', password: BREACHED });
  expect(outcome.case).toBe('tokens');
});
