// DeleteMe over every protocol: no credential of the account works, its names are free, and one super_admin always remains.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeClock } from '../support/fake-clock.ts';
import { eventually } from '../support/eventually.ts';
import { byPassword } from '../support/proofs.ts';
import { endingOf, refusalOf } from '../support/rpc-calls.ts';
import { sampleUser } from '../support/samples.ts';
import {
  bearer,
  GOOD_PASSWORD,
  PROTOCOLS,
  signIn,
  signUp,
  startTestService,
  type TestService,
} from '../support/service.ts';

let service: TestService;
let clock: FakeClock;
let names = 0;
beforeAll(async () => {
  clock = new FakeClock();
  service = await startTestService({ clock });
});
afterAll(() => service.stop());

const newName = () => `person-${(names += 1)}`;
const idOf = async (name: string) => (await service.app.users.findByIdentifier(name))?.id ?? '';
const tables = () => service.app.database.tables;
const emailsTo = async (address: string) =>
  (await tables().selectFrom('outbox_mails').select('letter').where('recipient', '=', address).execute()).map(
    ({ letter }) => letter['template'],
  );

async function userKey(ownerId: string): Promise<string> {
  const id = service.app.newId();
  const { text, digest } = service.app.apiKeyCodec.create(id);
  await service.app.apiKeys.insert({
    id,
    digest,
    ownerId,
    ownerKind: 'user',
    displayName: 'test',
    scopes: ['account:read'],
    createTime: clock.now(),
    expireTime: undefined,
    allowedCidrs: [],
  });
  return text;
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('every credential is refused, on every surface, and the names are free again', async () => {
    const [user, auth] = [service.user(protocol), service.auth(protocol)];
    const name = newName();
    const other = await signUp(service, name);
    const own = await signIn(service, name);
    const id = await idOf(name);
    const key = await userKey(id);
    const gateway = bearer(service.secrets?.gatewayApiKey ?? '');
    const activeNow = async () => {
      const tokens = [own.accessToken, other.accessToken, key].map((token) => ({ token }));
      const { responses } = await auth.batchValidateTokens({ requests: tokens }, gateway);
      return responses.map(({ active }) => active);
    };
    expect(await activeNow()).toEqual([true, true, true]);
    await user.deleteMe(byPassword(), bearer(own.accessToken));
    expect(await activeNow()).toEqual([false, false, false]);
    for (const { accessToken, refreshToken } of [own, other]) {
      for (const call of [user.getMe, user.updateMe, user.exportMe, user.deleteMe, user.listSessions])
        expect((await refusalOf(call({}, bearer(accessToken)))).reason).toBe('TOKEN_REVOKED');
      expect((await refusalOf(auth.refreshToken({ refreshToken }))).reason).toBe('TOKEN_REVOKED');
    }
    for (const identifier of [name, `${name}@example.com`, `deleted:${id}`]) {
      const login = auth.login({ identifier, password: GOOD_PASSWORD });
      expect((await refusalOf(login)).reason).toBe('INVALID_CREDENTIALS');
    }
    expect(await emailsTo(`${name}@example.com`)).toContain('account_deleted');
    const events = await tables()
      .selectFrom('audit_events')
      .select(['kind', 'outcome', 'actor_id', 'target_id'])
      .where('account_id', '=', id)
      .where('kind', '=', 'account.delete')
      .execute();
    expect(events).toEqual([{ kind: 'account.delete', outcome: 'success', actor_id: id, target_id: id }]);

    const again = await signUp(service, name);
    const { user: fresh } = await user.getMe({}, bearer(again.accessToken));
    expect(fresh).toMatchObject({ username: name });
    expect(fresh?.id).not.toBe(id);
    await user.deleteMe(byPassword(), bearer(again.accessToken));
    await signUp(service, name);
  });

  it('asks for a recent login', async () => {
    const { accessToken } = await signUp(service, newName());
    clock.advance(5 * 60_000 + 6_000);
    await eventually(() => service.app.revocationIndex.isFresh());
    expect(await refusalOf(service.user(protocol).deleteMe(byPassword(), bearer(accessToken)))).toMatchObject(
      {
        reason: 'STEP_UP_REQUIRED',
      },
    );
  });

  it('leaves the last super_admin', async () => {
    const password = service.secrets?.adminPassword;
    const credential = bearer(await superAdmin('root@example.com', password));
    expect(await refusalOf(service.user(protocol).deleteMe(byPassword(password), credential))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'ROLE_PROTECTED',
    });
    await service.user(protocol).getMe({}, credential);
    const refused = await tables()
      .selectFrom('audit_events')
      .select('reason')
      .where('kind', '=', 'account.delete')
      .where('outcome', '=', 'refused')
      .execute();
    expect(refused.at(-1)).toEqual({ reason: 'ROLE_PROTECTED' });
    // One that is suspended keeps nobody's place.
    const suspended = sampleUser({ role: 'super_admin', createTime: clock.now() });
    await service.app.users.insert(suspended);
    await tables().updateTable('users').set({ status: 'suspended' }).where('id', '=', suspended.id).execute();
    expect(await endingOf(service.user(protocol).deleteMe(byPassword(password), credential))).toContain(
      'ROLE_PROTECTED',
    );
  });
});

async function superAdmin(identifier: string, password = GOOD_PASSWORD): Promise<string> {
  const { outcome } = await service.auth().login({ identifier, password });
  if (outcome.case !== 'tokens') throw new Error('no tokens');
  return outcome.value.accessToken;
}

it('one of many super_admins who all go at once stays', async () => {
  const passwordHash = await service.app.passwordHasher.hash(GOOD_PASSWORD);
  const admins = Array.from({ length: 10 }, () =>
    sampleUser({ role: 'super_admin', passwordHash, createTime: clock.now() }),
  );
  for (const admin of admins) await service.app.users.insert(admin);
  const tokens = await Promise.all(admins.map(({ email }) => superAdmin(email.text)));
  const root = service.secrets?.adminPassword;
  const rootToken = await superAdmin('root@example.com', root);
  const endings = await Promise.all([
    ...tokens.map((token) => endingOf(service.user().deleteMe(byPassword(), bearer(token)))),
    endingOf(service.user().deleteMe(byPassword(root), bearer(rootToken))),
  ]);
  expect(endings.toSorted()).toEqual([
    'FailedPrecondition ROLE_PROTECTED latchkey',
    ...Array.from({ length: 10 }, () => 'OK'),
  ]);
});

it('of fifty calls at once one deletes, and one email goes out', async () => {
  const name = newName();
  const { accessToken } = await signUp(service, name);
  const calls = Array.from({ length: 50 }, () =>
    endingOf(service.user().deleteMe(byPassword(), bearer(accessToken))),
  );
  const endings = await Promise.all(calls);
  expect(endings.filter((ending) => ending === 'OK')).toHaveLength(1);
  for (const ending of endings) {
    expect([
      'OK',
      'NotFound USER_NOT_FOUND latchkey',
      'Unauthenticated TOKEN_REVOKED latchkey',
      'Aborted CONFLICT latchkey',
    ]).toContain(ending);
  }
  const emails = await emailsTo(`${name}@example.com`);
  expect(emails.filter((template) => template === 'account_deleted')).toHaveLength(1);
});
