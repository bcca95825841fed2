// Authorization of AdminService: every changing call, by an actor of every kind, upon an account of every role.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { issueApiKey } from '../support/forged-tokens.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { firstAdministrator, member } from '../support/members.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { sampleUser } from '../support/samples.ts';
import { bearer, startTestService, type TestService } from '../support/service.ts';

const ACTORS = ['user', 'moderator', 'admin', 'super_admin', 'helpdesk', 'service'] as const;
const TARGETS = ['user', 'moderator', 'helpdesk', 'admin', 'super_admin'] as const;
type ActorName = (typeof ACTORS)[number];
type TargetRole = (typeof TARGETS)[number];
type Options = ReturnType<typeof bearer>;
type Actor = { readonly id: string; readonly options: Options };

let service: TestService;
const actors = new Map<ActorName, Actor>();
const tables = () => service.app.database.tables;

beforeAll(async () => {
  service = await startTestService({ clock: new FakeClock(Date.now()) });
  await tables()
    .insertInto('roles')
    .values({ name: 'helpdesk', inherits: 'user', scopes: ['users:read', 'users:write'], built_in: false })
    .execute();
  await eventually(() => service.app.roleDirectory.grantedBy('helpdesk').has('users:write'));
  for (const role of ['user', 'moderator', 'admin', 'helpdesk'] as const)
    actors.set(role, await member(service, `actor-${role}`, role));
  actors.set('super_admin', await firstAdministrator(service));
  const key = await issueApiKey(service.app, ['users:write']);
  const { accessToken } = await service.auth().exchangeApiKey({}, { headers: { 'x-api-key': key.text } });
  actors.set('service', { id: key.ownerId, options: bearer(accessToken) });
});
afterAll(() => service.stop());

const actor = (name: ActorName): Actor => {
  const found = actors.get(name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
};

async function target(role: string): Promise<string> {
  const made = sampleUser({ role, createTime: service.app.clock.now() });
  await service.app.users.insert(made);
  await tables().updateTable('users').set({ mfa_enabled: true }).where('id', '=', made.id).execute();
  await service.app.lockouts.count(`user:${made.id}`, service.app.clock.now(), { maxFailures: 5, lockMs: 1 });
  return made.id;
}

type Act = {
  readonly kind: string;
  /** Refused to a program, which has not logged in. */
  readonly asksForLogin?: boolean;
  readonly mayBeOwn?: boolean;
  call(userId: string, options: Options): Promise<unknown>;
  prepare?(userId: string): Promise<unknown>;
};

const admin = () => service.admin();
const ACTS: Readonly<Record<string, Act>> = {
  UpdateUser: {
    kind: 'account.update',
    mayBeOwn: true,
    call: (userId, options) => admin().updateUser({ userId, user: { fullName: 'B' } }, options),
  },
  DeleteUser: { kind: 'account.delete', call: (userId, options) => admin().deleteUser({ userId }, options) },
  SetUserRole: {
    kind: 'account.role_change',
    asksForLogin: true,
    // Every target but `user` is demoted by it.
    call: (userId, options) => admin().setUserRole({ userId, role: 'user' }, options),
  },
  SuspendUser: {
    kind: 'account.suspend',
    call: (userId, options) => admin().suspendUser({ userId, reason: 'r' }, options),
  },
  ReactivateUser: {
    kind: 'account.reactivate',
    prepare: (userId) =>
      tables().updateTable('users').set({ status: 'suspended' }).where('id', '=', userId).execute(),
    call: (userId, options) => admin().reactivateUser({ userId }, options),
  },
  UnlockUser: { kind: 'account.unlock', call: (userId, options) => admin().unlockUser({ userId }, options) },
  ForcePasswordReset: {
    kind: 'account.force_password_reset',
    call: (userId, options) => admin().forcePasswordReset({ userId }, options),
  },
  ResetUserMfa: {
    kind: 'mfa.reset',
    asksForLogin: true,
    call: (userId, options) => admin().resetUserMfa({ userId }, options),
  },
  RevokeUserSessions: {
    kind: 'session.logout_all',
    mayBeOwn: true,
    call: (userId, options) => admin().revokeUserSessions({ userId }, options),
  },
};

/** What each actor comes to upon each role; where it says nothing the act is done. */
const REFUSALS: Readonly<Record<ActorName, Readonly<Partial<Record<TargetRole, string>>>>> = {
  user: Object.fromEntries(TARGETS.map((role) => [role, 'INSUFFICIENT_SCOPE users:write'])),
  moderator: Object.fromEntries(TARGETS.map((role) => [role, 'INSUFFICIENT_SCOPE users:write'])),
  admin: { super_admin: 'ROLE_PROTECTED ' },
  super_admin: {},
  helpdesk: {
    moderator: 'INSUFFICIENT_SCOPE audit:read',
    admin:
      'INSUFFICIENT_SCOPE roles:read service_accounts:read service_accounts:write stats:read tokens:validate audit:read',
    super_admin: 'ROLE_PROTECTED ',
  },
  service: {
    moderator: 'INSUFFICIENT_SCOPE users:read audit:read',
    helpdesk: 'INSUFFICIENT_SCOPE users:read',
    admin:
      'INSUFFICIENT_SCOPE roles:read service_accounts:read service_accounts:write stats:read tokens:validate users:read audit:read',
    super_admin: 'ROLE_PROTECTED ',
  },
};

const WITHOUT_SCOPE: readonly ActorName[] = ['user', 'moderator'];

/** 'OK', or the reason with the scopes that are missing. */
async function endingOf(call: Promise<unknown>): Promise<string> {
  const refusal = await refusalOf(call).catch(() => undefined);
  return refusal === undefined ? 'OK' : `${refusal.reason} ${refusal.metadata['missing_scopes'] ?? ''}`;
}

const stateOf = async (userId: string) => [
  await tables().selectFrom('users').selectAll().where('id', '=', userId).execute(),
  await tables().selectFrom('lockouts').selectAll().where('key', '=', `user:${userId}`).execute(),
  await tables().selectFrom('revocations').selectAll().where('target_id', '=', userId).execute(),
  await tables().selectFrom('outbox_mails').select('id').orderBy('id').execute(),
];

const eventsOf = (kind: string, targetId: string) =>
  tables()
    .selectFrom('audit_events')
    .select(['outcome', 'reason', 'actor_id', 'account_id'])
    .where('kind', '=', kind)
    .where('target_id', '=', targetId)
    .execute();

const sorted = (text: string) => text.split(' ').toSorted().join(' ');

describe.each(ACTORS)('by %s', (name) => {
  describe.each(Object.entries(ACTS))('%s', (_rpc, act) => {
    it.each(TARGETS)('upon %s', async (role) => {
      const userId = await target(role);
      await act.prepare?.(userId);
      const before = await stateOf(userId);
      const steppedUp = name !== 'service' || act.asksForLogin !== true;
      const expected = steppedUp ? (REFUSALS[name][role] ?? 'OK') : 'CREDENTIAL_NOT_ALLOWED ';
      const ending = await endingOf(act.call(userId, actor(name).options));
      expect(sorted(ending)).toBe(sorted(expected));
      if (expected !== 'OK') expect(await stateOf(userId)).toEqual(before);
      // Nothing is said of what the default role is set to again; what the pipeline refuses reaches no use case.
      const isNothing = act === ACTS['SetUserRole'] && role === 'user';
      const reachesUseCase = !WITHOUT_SCOPE.includes(name) && steppedUp;
      const reason = expected === 'OK' ? null : expected.split(' ')[0];
      const event = {
        outcome: reason === null ? 'success' : 'refused',
        reason,
        actor_id: actor(name).id,
        account_id: userId,
      };
      const isWritten = reachesUseCase && !(isNothing && expected === 'OK');
      expect(await eventsOf(act.kind, userId)).toEqual(isWritten ? [event] : []);
    });
  });

  it.each([...TARGETS, 'nobody'])('SetUserRole to %s', async (role) => {
    const userId = await target('user');
    const granting: Readonly<Record<string, string>> = {
      super_admin: 'ROLE_PROTECTED ',
      nobody: 'ROLE_NOT_FOUND ',
    };
    const refused = REFUSALS[name][role as TargetRole];
    const expected = WITHOUT_SCOPE.includes(name)
      ? 'INSUFFICIENT_SCOPE users:write'
      : name === 'service'
        ? 'CREDENTIAL_NOT_ALLOWED '
        : (granting[role] ?? refused ?? 'OK');
    const ending = await endingOf(admin().setUserRole({ userId, role }, actor(name).options));
    expect(sorted(ending)).toBe(sorted(expected));
    expect((await service.app.users.findById(userId))?.role).toBe(ending === 'OK' ? role : 'user');
  });

  it.each([...TARGETS, 'nobody', ''])('CreateUser with role “%s”', async (role) => {
    const granting: Readonly<Record<string, string>> = {
      super_admin: 'ROLE_PROTECTED ',
      nobody: 'ROLE_NOT_FOUND ',
    };
    const refused = REFUSALS[name][role as TargetRole];
    const expected = WITHOUT_SCOPE.includes(name)
      ? 'INSUFFICIENT_SCOPE users:write'
      : (granting[role] ?? refused ?? 'OK');
    const email = `made-by-${name}-${role || 'default'}@example.com`;
    const call = admin().createUser({ email, fullName: 'A', role }, actor(name).options);
    const ending = await endingOf(call);
    expect(sorted(ending)).toBe(sorted(expected));
    const made = await service.app.users.findByIdentifier(email);
    expect(made?.role).toBe(ending === 'OK' ? role || 'user' : undefined);
  });

  it('upon an unknown account, and upon a service account', async () => {
    for (const userId of [service.app.newId(), actor('service').id]) {
      if (userId === actor(name).id) continue;
      for (const act of Object.values(ACTS)) {
        const ending = await endingOf(act.call(userId, actor(name).options));
        if (WITHOUT_SCOPE.includes(name)) expect(ending).toBe('INSUFFICIENT_SCOPE users:write');
        else expect(ending).toMatch(/^(?:USER_NOT_FOUND|CREDENTIAL_NOT_ALLOWED) $/);
      }
    }
  });
});

describe.each(['admin', 'helpdesk', 'super_admin'])('upon oneself, a %s', (role) => {
  it.each(Object.entries(ACTS))('%s', async (rpc, act) => {
    const self = await member(service, `self-${role}-${rpc}`, role);
    const before = await stateOf(self.id);
    const ending = await endingOf(act.call(self.id, self.options));
    expect(ending).toBe(act.mayBeOwn === true ? 'OK' : 'ROLE_PROTECTED ');
    if (act.mayBeOwn === true) return;
    expect(await stateOf(self.id)).toEqual(before);
    expect(await eventsOf(act.kind, self.id)).toMatchObject([
      { outcome: 'refused', reason: 'ROLE_PROTECTED' },
    ]);
  });

  it('sets neither the own role to a lower nor to the same one', async () => {
    const self = await member(service, `self-${role}-roles`, role);
    for (const wanted of ['user', role, 'super_admin'])
      expect(await endingOf(admin().setUserRole({ userId: self.id, role: wanted }, self.options))).toBe(
        'ROLE_PROTECTED ',
      );
  });

  it('says neither what the own address is nor that it is proved', async () => {
    const self = await member(service, `self-${role}-address`, role);
    const update = (user: object, path: string) =>
      endingOf(admin().updateUser({ userId: self.id, user, updateMask: { paths: [path] } }, self.options));
    expect(await update({ email: `x-${self.email}` }, 'email')).toBe('ROLE_PROTECTED ');
    expect(await update({ emailVerified: true }, 'email_verified')).toBe('ROLE_PROTECTED ');
    expect(await service.app.users.findById(self.id)).toMatchObject({
      email: self.email,
      emailVerified: false,
    });
  });
});

it.each(['admin', 'super_admin'])('a %s whose credential carries less can do less', async (role) => {
  const { email } = await member(service, `narrow-${role.replace('_', '-')}`, role);
  const { outcome } = await service
    .auth()
    .login({ identifier: email, password: 'Correct-Horse-42-Staple!', scopes: ['users:write'] });
  if (outcome.case !== 'tokens') throw new Error('no tokens');
  const options = bearer(outcome.value.accessToken);
  expect(await endingOf(admin().suspendUser({ userId: await target('user') }, options))).toBe('OK');
  expect(await endingOf(admin().suspendUser({ userId: await target('moderator') }, options))).toBe(
    'INSUFFICIENT_SCOPE users:read audit:read',
  );
  const invited = admin().createUser({ email: `by-${email}`, fullName: 'A', role: 'moderator' }, options);
  expect(await endingOf(invited)).toBe('INSUFFICIENT_SCOPE users:read audit:read');
});

it('a role that has been changed a moment ago grants what it grants now', async () => {
  await tables().insertInto('roles').values({ name: 'fresh', scopes: [], built_in: false }).execute();
  await tables()
    .updateTable('roles')
    .set({ scopes: ['roles:write'] })
    .where('name', '=', 'fresh')
    .execute();
  const userId = await target('user');
  const call = admin().setUserRole({ userId, role: 'fresh' }, actor('admin').options);
  expect(await endingOf(call)).toBe('INSUFFICIENT_SCOPE roles:write');
});

describe('an actor whose own role has been narrowed a moment ago', () => {
  const both = ['users:write', 'service_accounts:write', 'roles:write', 'crates:lift'];
  const setScopes = (scopes: string[]) =>
    tables().updateTable('roles').set({ scopes }).where('name', '=', 'foreman').execute();
  let foreman: Actor;
  beforeAll(async () => {
    await tables()
      .insertInto('roles')
      .values([
        { name: 'foreman', inherits: 'user', scopes: both, built_in: false },
        { name: 'lifter', inherits: 'user', scopes: ['crates:lift'], built_in: false },
      ])
      .execute();
    await eventually(() => service.app.roleDirectory.grantedBy('foreman').has('crates:lift'));
    foreman = await member(service, 'actor-foreman', 'foreman');
  });
  afterEach(() => setScopes(both));

  const GRANTS: Readonly<Record<string, (options: Options) => Promise<unknown>>> = {
    CreateUser: (options) =>
      admin().createUser({ email: 'lifter@example.com', fullName: 'A', role: 'lifter' }, options),
    SetUserRole: async (options) =>
      admin().setUserRole({ userId: await target('user'), role: 'lifter' }, options),
    UpsertRole: (options) => admin().upsertRole({ role: { name: 'l2', scopes: ['crates:lift'] } }, options),
    DeleteRole: (options) => admin().deleteRole({ name: 'lifter' }, options),
    CreateServiceAccount: (options) =>
      admin().createServiceAccount({ name: 'crane', scopes: ['crates:lift'] }, options),
  };
  it.each(Object.entries(GRANTS))('grants by %s only what it has now', async (_name, call) => {
    await eventually(() => service.app.roleDirectory.grantedBy('foreman').has('crates:lift'));
    await setScopes(both.slice(0, -1));
    expect(await endingOf(call(foreman.options))).toBe('INSUFFICIENT_SCOPE crates:lift');
  });
});
