// Administrators on two nodes: what one ends dies on the other, and whatever happens at once comes out as if in some order.

import { beforeAll, describe, expect, it } from 'vitest';
import type { NewUser } from '../../src/domain/account/user-store.ts';
import type { User } from '../../src/domain/account/user.ts';
import { openBrowser, PAGE_ORIGIN } from '../support/browser.ts';
import { eventually, eventuallyPasses } from '../support/eventually.ts';
import { nextEmail, tokenIn } from '../support/mailbox.ts';
import { NEW_PASSWORD } from '../support/mailed-accounts.ts';
import { byPassword } from '../support/proofs.ts';
import { sampleSession, sampleUser, DAY_MS } from '../support/samples.ts';
import type { TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Held } from './nodes.ts';
import {
  afterSuite,
  describeOnEveryBackend,
  isWaitingForLock,
  nodeStarter,
  note,
  openSession,
  outcomeOf,
  sharedVariables,
  tally,
  tryRefresh,
} from './nodes.ts';

type Options = ReturnType<typeof bearer>;
const optionsOf = ({ tokens }: Held): Options => bearer(tokens.accessToken);

/** A new account, logged in. */
async function open(node: TestService, change: Partial<NewUser> = {}): Promise<Held> {
  const made = sampleUser({ createTime: node.app.clock.now(), ...change });
  await node.app.users.insert(made);
  return openSession(node, await stored(node, made.id));
}

async function stored(node: TestService, id: string): Promise<User> {
  const user = await node.app.users.findById(id);
  if (user === undefined) throw new Error('the account is not there');
  return user;
}

type Ending = {
  readonly name: string;
  readonly keysEnd: boolean;
  end(node: TestService, userId: string, options: Options): Promise<unknown>;
};

const ENDINGS: readonly Ending[] = [
  {
    name: 'SuspendUser',
    keysEnd: true,
    end: (node, userId, options) => node.admin().suspendUser({ userId }, options),
  },
  {
    name: 'SetUserRole',
    keysEnd: true,
    end: (node, userId, options) => node.admin().setUserRole({ userId, role: 'user' }, options),
  },
  {
    name: 'ForcePasswordReset',
    keysEnd: true,
    end: (node, userId, options) => node.admin().forcePasswordReset({ userId }, options),
  },
  {
    name: 'ResetUserMfa',
    keysEnd: true,
    end: (node, userId, options) => node.admin().resetUserMfa({ userId }, options),
  },
  {
    name: 'DeleteUser',
    keysEnd: true,
    end: (node, userId, options) => node.admin().deleteUser({ userId }, options),
  },
  {
    name: 'RevokeUserSessions',
    keysEnd: false,
    end: (node, userId, options) => node.admin().revokeUserSessions({ userId }, options),
  },
];

type Probe = (node: TestService) => Promise<unknown>;

/** Every kind of credential of a moderator with a second factor, each shown to both nodes once. */
async function everyCredential(node: TestService, other: TestService) {
  const held = await open(node, { role: 'moderator' });
  const { id } = held.user;
  await node.app.database.tables
    .updateTable('users')
    .set({ mfa_enabled: true })
    .where('id', '=', id)
    .execute();
  const { secret } = await node
    .user()
    .createApiKey({ displayName: 'A', scopes: ['account:read'] }, optionsOf(held));
  const key = { headers: { 'x-api-key': secret } };
  const { accessToken: exchanged } = await node.auth().exchangeApiKey({}, key);
  const now = node.app.clock.now();
  const cookieSession = sampleSession(id, {
    usesCookie: true,
    authTime: now,
    lastSeenTime: now,
    expireTime: now + DAY_MS,
    maxExpireTime: now + DAY_MS,
  });
  await node.app.sessions.insert(cookieSession);
  const cookie = node.app.sessionCookieCodec.write({ sessionId: cookieSession.id, salt: cookieSession.salt });
  const byToken =
    (token: string): Probe =>
    (at) =>
      at.user().getMe({}, bearer(token));
  const probes: Readonly<Record<string, Probe>> = {
    accessToken: byToken(held.tokens.accessToken),
    exchangedToken: byToken(exchanged),
    cookie: (at) => {
      const browser = openBrowser(at);
      browser.cookie = cookie;
      return browser.user.getMe({});
    },
    apiKey: (at) => at.auth().exchangeApiKey({}, key),
  };
  for (const at of [node, other]) for (const probe of Object.values(probes)) await probe(at);
  return { held, probes };
}

async function endingsAt(node: TestService, probes: Readonly<Record<string, Probe>>) {
  const entries = Object.entries(probes);
  return Object.fromEntries(
    await Promise.all(entries.map(async ([name, probe]) => [name, await outcomeOf(probe(node))] as const)),
  );
}

describeWithServices('what an administrator ends on one node', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);

  describe.each(['with Redis', 'by the poll alone'])('%s', (how) => {
    let node: TestService;
    let other: TestService;
    let root: Held;
    beforeAll(async () => {
      const { REDIS_URL = '', ...rest } = await sharedVariables(later);
      const redis = how === 'with Redis' ? { REDIS_URL } : {};
      const variables = { ...rest, ...redis, ALLOWED_ORIGINS: PAGE_ORIGIN };
      node = await startNode(variables);
      other = await startNode(variables);
      root = await open(node, { role: 'super_admin' });
    });

    it.each(ENDINGS)('is refused there at once and on the other soon: $name', async ({ keysEnd, end }) => {
      const { held, probes } = await everyCredential(node, other);
      await end(node, held.user.id, optionsOf(root));
      const apiKey = keysEnd ? 'TOKEN_REVOKED' : 'ok';
      const dead = {
        accessToken: 'TOKEN_REVOKED',
        exchangedToken: 'TOKEN_REVOKED',
        cookie: 'TOKEN_REVOKED',
        apiKey,
      };
      expect(await endingsAt(node, probes)).toEqual(dead);
      await eventuallyPasses(async () => expect(await endingsAt(other, probes)).toEqual(dead));
      for (const at of [node, other])
        expect((await tryRefresh(at.auth(), held.tokens.refreshToken)).reason).toBe('TOKEN_REVOKED');
    });

    it('is good again on both after ReactivateUser, as far as it comes back', async () => {
      const { held, probes } = await everyCredential(node, other);
      const userId = held.user.id;
      await node.admin().suspendUser({ userId }, optionsOf(root));
      await eventuallyPasses(async () =>
        expect(Object.values(await endingsAt(other, probes))).toEqual(Array(4).fill('TOKEN_REVOKED')),
      );
      await node.admin().reactivateUser({ userId }, optionsOf(root));
      const back = {
        accessToken: 'TOKEN_REVOKED',
        exchangedToken: 'TOKEN_REVOKED',
        cookie: 'TOKEN_REVOKED',
        apiKey: 'ok',
      };
      expect(await endingsAt(node, probes)).toEqual(back);
      await eventuallyPasses(async () => expect(await endingsAt(other, probes)).toEqual(back));
      expect((await tryRefresh(other.auth(), held.tokens.refreshToken)).reason).toBe('TOKEN_REVOKED');
    });
  });
});

describeOnEveryBackend('administrators at once', (openNodes, backend) => {
  const rounds = backend === 'embedded' ? 4 : 10;
  let first: TestService;
  let second: TestService;
  let root: Held;
  beforeAll(async () => {
    [first, second] = await openNodes();
    root = await open(first, { role: 'super_admin' });
  });

  const activeSupremes = async () =>
    (
      await first.app.database.tables
        .selectFrom('users')
        .select('id')
        .where('role', '=', 'super_admin')
        .where('status', '=', 'active')
        .execute()
    ).map(({ id }) => id);

  const AGAINST_EACH_OTHER: ReadonlyArray<{
    readonly name: string;
    act(node: TestService, self: Held, rival: Held): Promise<unknown>;
  }> = [
    ...ENDINGS.filter(({ name }) => ['SuspendUser', 'SetUserRole', 'DeleteUser'].includes(name)).map(
      ({ name, end }) => ({
        name,
        act: (node: TestService, self: Held, rival: Held) => end(node, rival.user.id, optionsOf(self)),
      }),
    ),
    { name: 'DeleteMe', act: (node, self) => node.user().deleteMe(byPassword(), optionsOf(self)) },
  ];

  it.each(
    AGAINST_EACH_OTHER.flatMap((one) =>
      AGAINST_EACH_OTHER.map((two) => ({ name: `${one.name} and ${two.name}`, one, two })),
    ),
  )('of the last two super_admins one remains: $name', async ({ one, two }) => {
    const passwordHash = await first.app.passwordHasher.hash(GOOD_PASSWORD);
    const endings: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const [left, right] = [
        await open(first, { role: 'super_admin', passwordHash }),
        await open(first, { role: 'super_admin', passwordHash }),
      ];
      // Those of the rounds before, and of the first start.
      await first.app.database.tables
        .updateTable('users')
        .set({ role: 'user' })
        .where('role', '=', 'super_admin')
        .where('id', 'not in', [left.user.id, right.user.id])
        .execute();
      const outcomes = await Promise.all([
        outcomeOf(one.act(first, left, right)),
        outcomeOf(two.act(second, right, left)),
      ]);
      expect(await activeSupremes()).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1);
      endings.push(...outcomes);
    }
    note('one acts upon the other:', tally(endings));
    for (const ending of endings)
      expect(['ok', 'TOKEN_REVOKED', 'USER_NOT_FOUND', 'ROLE_PROTECTED', 'CONFLICT']).toContain(ending);
    root = await open(first, { role: 'super_admin' });
  });

  it.skipIf(backend === 'embedded')(
    'who is demoted while a call of theirs waits does nothing more',
    async () => {
      // The older account is held first.
      const victim = await open(first);
      const colleague = await open(first, { role: 'super_admin' });
      const { promise: locked, resolve: onLocked } = Promise.withResolvers<void>();
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      const holder = first.app.transact(async ({ managedUsers }) => {
        await managedUsers.lock(victim.user.id, 'for_update');
        onLocked();
        await released;
      });
      await locked;
      const suspending = outcomeOf(
        second.admin().suspendUser({ userId: victim.user.id }, optionsOf(colleague)),
      );
      await isWaitingForLock(first);
      await first.admin().setUserRole({ userId: colleague.user.id, role: 'user' }, optionsOf(root));
      release();
      await holder;
      expect(await suspending).toBe('TOKEN_REVOKED');
      expect((await stored(first, victim.user.id)).status).toBe('active');
    },
  );

  it('SuspendUser and ReactivateUser, SetUserRole and DeleteUser end in one of the orders', async () => {
    const endings: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const { id: userId } = (await open(first)).user;
      const options = optionsOf(root);
      const wavering = await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          outcomeOf(
            index % 2 === 0
              ? first.admin().suspendUser({ userId }, options)
              : second.admin().reactivateUser({ userId }, options),
          ),
        ),
      );
      expect(wavering).toEqual(Array(6).fill('ok'));
      const [changed, deleted] = await Promise.all([
        outcomeOf(first.admin().setUserRole({ userId, role: 'moderator' }, options)),
        outcomeOf(second.admin().deleteUser({ userId }, options)),
      ]);
      expect(deleted).toBe('ok');
      expect(['ok', 'USER_NOT_FOUND']).toContain(changed);
      expect(await first.app.users.findById(userId)).toBeUndefined();
      endings.push(changed);
    }
    note('a role changed while the account was deleted:', tally(endings));
  });

  it('a role that is deleted at the same time is not there, or stays', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const name = `passing-${round}`;
      const { tables } = first.app.database;
      await tables.insertInto('roles').values({ name, scopes: [], built_in: false }).execute();
      const { id: userId } = (await open(first)).user;
      const [set, deleted] = await Promise.all([
        outcomeOf(second.admin().setUserRole({ userId, role: name }, optionsOf(root))),
        tables
          .deleteFrom('roles')
          .where('name', '=', name)
          .execute()
          .then(
            () => 'ok',
            () => 'in use',
          ),
      ]);
      expect([set, deleted]).toEqual(set === 'ok' ? ['ok', 'in use'] : ['ROLE_NOT_FOUND', 'ok']);
    }
  });

  it('a login that races a suspension leaves no live session', async () => {
    const passwordHash = await first.app.passwordHasher.hash(GOOD_PASSWORD);
    const endings: string[] = [];
    for (let round = 0; round < rounds * 3; round += 1) {
      const { user } = await open(first, { passwordHash });
      const login = second.auth().login({ identifier: user.email, password: GOOD_PASSWORD });
      const [ending, suspended] = await Promise.all([
        outcomeOf(login),
        outcomeOf(first.admin().suspendUser({ userId: user.id }, optionsOf(root))),
      ]);
      expect(suspended).toBe('ok');
      endings.push(ending);
      expect(['ok', 'ACCOUNT_SUSPENDED', 'INVALID_CREDENTIALS']).toContain(ending);
      if (ending !== 'ok') continue;
      const { outcome } = await login;
      if (outcome.case !== 'tokens') throw new Error('no tokens');
      const { accessToken, refreshToken } = outcome.value;
      expect(await outcomeOf(first.user().getMe({}, bearer(accessToken)))).toBe('TOKEN_REVOKED');
      await eventually(async () => (await outcomeOf(second.user().getMe({}, bearer(accessToken)))) !== 'ok');
      await first.admin().reactivateUser({ userId: user.id }, optionsOf(root));
      expect((await tryRefresh(first.auth(), refreshToken)).reason).toBe('TOKEN_REVOKED');
    }
    note('logins that raced a suspension:', tally(endings));
  });

  it.each(ENDINGS)('a refresh that races it leaves no live token: $name', async ({ end }) => {
    const endings: string[] = [];
    for (let round = 0; round < rounds * 3; round += 1) {
      const held = await open(first, { role: 'moderator' });
      const { id } = held.user;
      await first.app.database.tables
        .updateTable('users')
        .set({ mfa_enabled: true })
        .where('id', '=', id)
        .execute();
      const [refreshed, ended] = await Promise.all([
        tryRefresh(second.auth(), held.tokens.refreshToken),
        outcomeOf(end(first, id, optionsOf(root))),
      ]);
      expect(ended).toBe('ok');
      endings.push(refreshed.reason);
      expect(['ok', 'TOKEN_REVOKED']).toContain(refreshed.reason);
      if (refreshed.accessToken === undefined) continue;
      expect(await outcomeOf(first.user().getMe({}, bearer(refreshed.accessToken)))).toBe('TOKEN_REVOKED');
      expect((await tryRefresh(first.auth(), refreshed.refreshToken)).reason).toBe('TOKEN_REVOKED');
    }
    note('refreshes:', tally(endings));
  });

  it('a key that is made concurrently does not outlive ForcePasswordReset', async () => {
    const endings: string[] = [];
    for (let round = 0; round < rounds * 3; round += 1) {
      const held = await open(first);
      const create = second
        .user()
        .createApiKey({ displayName: 'A', scopes: ['account:read'] }, optionsOf(held));
      const [made, forced] = await Promise.all([
        outcomeOf(create),
        outcomeOf(first.admin().forcePasswordReset({ userId: held.user.id }, optionsOf(root))),
      ]);
      expect(forced).toBe('ok');
      endings.push(made);
      expect(['ok', 'TOKEN_REVOKED']).toContain(made);
      const live = await first.app.ownApiKeys.countLive(held.user.id, first.app.clock.now());
      expect(live).toBe(0);
    }
    note('keys made while a reset was forced:', tally(endings));
  });

  it('a link that is used concurrently does not outlive ForcePasswordReset', async () => {
    const made = await first
      .admin()
      .createUser({ email: `race-${backend}@example.com`, fullName: 'A' }, optionsOf(root));
    const userId = made.user?.id ?? '';
    const email = made.user?.email ?? '';
    let token = tokenIn(await nextEmail(first, email, /account here/));
    for (let round = 0; round < rounds; round += 1) {
      const [reset, forced] = await Promise.all([
        outcomeOf(second.auth().resetPassword({ token, newPassword: `${NEW_PASSWORD}${round}` })),
        outcomeOf(first.admin().forcePasswordReset({ userId }, optionsOf(root))),
      ]);
      expect(forced).toBe('ok');
      expect(['ok', 'TOKEN_INVALID']).toContain(reset);
      expect(await first.app.managedUsers.find(userId)).toMatchObject({ hasPassword: false });
      token = tokenIn(await nextEmail(first, email, /Set a new password/));
    }
  });
});
