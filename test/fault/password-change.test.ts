// A password change races refreshes, also of the calling session, and a login with the old password: no token of any of them survives but
// those that the change itself answers.

import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import type { User } from '../../src/domain/account/user.ts';
import { issueTokens } from '../../src/domain/session/issue-tokens.ts';
import { DAY_MS, sampleSession, sampleUser } from '../support/samples.ts';
import { eventuallyPasses } from '../support/eventually.ts';
import type { TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD } from '../support/service.ts';
import type { Auth, Held, RefreshOutcome } from './nodes.ts';
import {
  describeOnEveryBackend,
  gatewayOf,
  note,
  openSession,
  outcomeOf,
  tally,
  tryRefresh,
} from './nodes.ts';

const NEW_PASSWORD = 'Quartz-Loom-77-Vortex?';
const AT_ONCE = 10;
// A change hashes twice before it writes, so it starts at once.
const MAX_LAG_MS = 60;
const SEEN_DAYS_AGO = [0, 0, 3];

const lag = () => delay(Math.random() * MAX_LAG_MS);

describeOnEveryBackend('a password change against', (openNodes, backend) => {
  const races = backend === 'embedded' ? 60 : 200;
  let first: TestService;
  let second: TestService;
  let hash: string;
  beforeAll(async () => {
    [first, second] = await openNodes();
    hash = await first.app.passwordHasher.hash(GOOD_PASSWORD);
  });

  async function account(): Promise<User> {
    const made = sampleUser({ passwordHash: hash, createTime: first.app.clock.now() });
    await first.app.users.insert(made);
    const user = await first.app.users.findById(made.id);
    if (user === undefined) throw new Error('the account is not there');
    return user;
  }

  async function sessionSeen(user: User, daysAgo: number): Promise<Held> {
    const now = first.app.clock.now();
    const seen = now - daysAgo * DAY_MS;
    const times = { authTime: seen, createTime: seen, lastSeenTime: seen };
    const ends = { expireTime: seen + 7 * DAY_MS, maxExpireTime: seen + 30 * DAY_MS };
    const session = sampleSession(user.id, { ...times, ...ends });
    await first.app.sessions.insert(session);
    return { user, session, tokens: await issueTokens(first.app, user, session, 1, []) };
  }

  async function tryLogin(auth: Auth, user: User): Promise<RefreshOutcome> {
    const call = auth.login({ identifier: user.email, password: GOOD_PASSWORD });
    const reason = await outcomeOf(call);
    if (reason !== 'ok') return { reason };
    const { outcome } = await call;
    if (outcome.case !== 'tokens') return { reason: outcome.case ?? 'nothing' };
    return { reason, accessToken: outcome.value.accessToken, refreshToken: outcome.value.refreshToken };
  }

  const activeOn = async (node: TestService, tokens: readonly string[]) => {
    const requests = tokens.map((token) => ({ token }));
    const { responses } = await node.auth().batchValidateTokens({ requests }, gatewayOf(first));
    return responses.map(({ active }) => active);
  };

  async function race(index: number): Promise<readonly string[]> {
    const user = await account();
    const own = await openSession(first, user);
    const others = await Promise.all(SEEN_DAYS_AGO.map((days) => sessionSeen(user, days)));
    const [here, there] = index % 2 === 0 ? [first, second] : [second, first];
    const change = () => {
      const passwords = { currentPassword: GOOD_PASSWORD, newPassword: NEW_PASSWORD };
      return here.user().changePassword(passwords, bearer(own.tokens.accessToken));
    };
    const [changed, ownRefresh, oldLogin, ...refreshes] = await Promise.all([
      change(),
      lag().then(() => tryRefresh(there.auth(), own.tokens.refreshToken)),
      lag().then(() => tryLogin(there.auth(), user)),
      ...others.map(async (other, at) => {
        await lag();
        return tryRefresh((at % 2 === 0 ? there : here).auth(), other.tokens.refreshToken);
      }),
    ]);
    const given = [oldLogin, ownRefresh, ...refreshes];
    // What a session that was last seen days ago got then has expired long since.
    const held = others
      .filter((_other, at) => SEEN_DAYS_AGO[at] === 0)
      .map(({ tokens }) => tokens.accessToken);
    const dead = [own.tokens.accessToken, ...held, ...given.map(({ accessToken }) => accessToken)];
    const deadTokens = dead.filter((token) => token !== undefined);
    const nothing = deadTokens.map(() => false);
    expect(await activeOn(here, deadTokens)).toEqual(nothing);
    await eventuallyPasses(async () => expect(await activeOn(there, deadTokens)).toEqual(nothing));
    for (const token of [
      ...others.map(({ tokens }) => tokens.refreshToken),
      ...given.map(({ refreshToken }) => refreshToken),
    ]) {
      const ending = token === ownRefresh.refreshToken ? 'TOKEN_INVALID' : 'TOKEN_REVOKED';
      if (token !== undefined) expect((await tryRefresh(there.auth(), token)).reason).toBe(ending);
    }
    expect((await tryRefresh(there.auth(), own.tokens.refreshToken)).reason).toBe('TOKEN_INVALID');
    expect(await activeOn(there, [changed.tokens?.accessToken ?? ''])).toEqual([true]);
    expect((await tryRefresh(there.auth(), changed.tokens?.refreshToken ?? '')).reason).toBe('ok');
    return given.map(({ reason }) => reason);
  }

  it(`refreshes and logins: no survivor but the caller in ${races} races`, async () => {
    const reasons: string[] = [];
    for (let done = 0; done < races; done += AT_ONCE) {
      const batch = Array.from({ length: AT_ONCE }, (_, index) => race(done + index));
      reasons.push(...(await Promise.all(batch)).flat());
    }
    note('what raced a password change:', tally(reasons));
    expect(new Set(reasons).size).toBeGreaterThan(1);
    for (const reason of reasons)
      expect(['ok', 'TOKEN_REVOKED', 'TOKEN_INVALID', 'INVALID_CREDENTIALS']).toContain(reason);
  }, 120_000);
});
