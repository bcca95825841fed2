// Cookie sessions on two nodes: whatever ends one on a node ends it on the other at once, though both cached it.

import { beforeAll, expect, it } from 'vitest';
import { publishRevocations } from '../../src/domain/revocation/publish-revocations.ts';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import type { Browser } from '../support/browser.ts';
import { openBrowser, PAGE_ORIGIN, signInByCookie } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { byPassword } from '../support/proofs.ts';
import type { TestService } from '../support/service.ts';
import { GOOD_PASSWORD, signUp } from '../support/service.ts';
import { totpCode } from '../support/totp.ts';
import { describeOnEveryBackend, gatewayOf, outcomeOf, storedSession, tally } from './nodes.ts';

const AT_ONCE = 50;

type Ending = {
  readonly name: string;
  readonly end: (page: Page) => Promise<unknown>;
};
type Page = { readonly browser: Browser; readonly name: string; readonly sessionId: string };

const ENDINGS: readonly Ending[] = [
  { name: 'logout', end: async ({ browser }) => browser.auth.logout({}) },
  { name: 'logout everywhere', end: async ({ browser }) => browser.auth.logoutAll({}) },
  {
    name: 'its id',
    end: async ({ browser, sessionId }) => browser.user.revokeSession({ sessionId }),
  },
  { name: 'the end of the account', end: async ({ browser }) => browser.user.deleteMe(byPassword()) },
  {
    name: 'its cookie',
    end: async ({ browser }) => browser.auth.revokeToken({ token: browser.cookie ?? '' }),
  },
];

const OTHERS_ENDINGS: ReadonlyArray<{
  readonly name: string;
  readonly end: (browser: Browser) => Promise<unknown>;
}> = [
  {
    name: 'a new password',
    end: async ({ user }) =>
      user.changePassword({ currentPassword: GOOD_PASSWORD, newPassword: 'Quartz-Loom-77-Vortex?' }),
  },
  {
    name: 'a second factor',
    async end({ user }) {
      const { secret } = await user.enrollTotp(byPassword());
      return user.confirmTotp({ code: totpCode(secret, Date.now()) });
    },
  },
];

describeOnEveryBackend('a cookie session', (openNodes) => {
  let node: TestService;
  let other: TestService;
  beforeAll(async () => {
    [node, other] = await openNodes({ variables: { ALLOWED_ORIGINS: PAGE_ORIGIN } });
  });

  let people = 0;
  /** A page that both nodes know. */
  async function openPage(name?: string): Promise<Page & { readonly elsewhere: Browser }> {
    people += 1;
    const person = name ?? `cookie-${people}`;
    if (name === undefined) await signUp(node, person);
    const browser = openBrowser(node);
    const { sessionId } = await signInByCookie(browser, person);
    const elsewhere = openBrowser(other, 'grpc-web');
    elsewhere.cookie = browser.cookie;
    for (const page of [browser, elsewhere]) await page.user.getMe({});
    return { browser, elsewhere, name: person, sessionId };
  }
  const isDead = async (page: Browser, cookie: string | undefined) => {
    page.cookie = cookie;
    return (await outcomeOf(page.user.getMe({}))) === 'TOKEN_REVOKED';
  };

  it.each(ENDINGS)('ended on one node by $name is dead on the other', async ({ end }) => {
    const page = await openPage();
    const bystander = await openPage();
    const { cookie } = page.browser;
    await end(page);
    expect(await isDead(page.browser, cookie)).toBe(true);
    await eventually(() => isDead(page.elsewhere, cookie));
    const verdict = await other.auth().validateToken({ token: cookie ?? '' }, gatewayOf(node));
    expect(verdict.active).toBe(false);
    await bystander.elsewhere.user.getMe({});
  });

  it.each(OTHERS_ENDINGS)(
    'ended on one node by $name of another session is dead on the other',
    async ({ end }) => {
      const page = await openPage();
      const ending = await openPage(page.name);
      const { cookie } = page.browser;
      await end(ending.browser);
      expect(await isDead(page.browser, cookie)).toBe(true);
      await eventually(() => isDead(page.elsewhere, cookie));
      await ending.browser.user.getMe({});
      // A new password gives another cookie, which the other node takes although it has cached the session by the one before.
      ending.elsewhere.cookie = ending.browser.cookie;
      await ending.elsewhere.user.getMe({});
    },
  );

  it('of a user who was suspended on one node is dead on the other', async () => {
    const { browser, elsewhere, sessionId } = await openPage();
    const { userId } = await storedSession(node, sessionId);
    const { cookie } = browser;
    const now = node.app.clock.now();
    const revoked = await node.app.transact(async ({ users, revocations }) => {
      const minVersion = await users.raiseEpochs(userId, now);
      const subject = { form: 'subject', id: userId, minVersion: minVersion ?? 0 } as const;
      await revocations.insert(revocation(subject, now, 900_000));
      return subject;
    });
    await publishRevocations(node.app, [revocation(revoked, now, 900_000)]);
    expect(await isDead(browser, cookie)).toBe(true);
    await eventually(() => isDead(elsewhere, cookie));
  });

  it(`that ${AT_ONCE} calls at once use while it ends is dead for every call after`, async () => {
    const { browser, elsewhere } = await openPage();
    const { cookie } = browser;
    const uses = Array.from({ length: AT_ONCE }, (_, at) => {
      const page = openBrowser(at % 2 === 0 ? node : other);
      page.cookie = cookie;
      return outcomeOf(page.user.getMe({}));
    });
    await browser.auth.logout({});
    const outcomes = tally(await Promise.all(uses));
    expect(Object.keys(outcomes).filter((outcome) => !['ok', 'TOKEN_REVOKED'].includes(outcome))).toEqual([]);
    expect(await isDead(browser, cookie)).toBe(true);
    await eventually(() => isDead(elsewhere, cookie));
  });
});
