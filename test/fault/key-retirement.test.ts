// Operators change the signing key under load on two nodes: no good token is refused, and none of a retired key is accepted.

import { beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { eventually } from '../support/eventually.ts';
import { firstAdministrator } from '../support/members.ts';
import type { TestService } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Held } from './nodes.ts';
import {
  afterSuite,
  gatewayOf,
  nodeStarter,
  openSession,
  sharedVariables,
  tally,
  tryRefresh,
} from './nodes.ts';

const Header = z.looseObject({ kid: z.string() });
const kidOf = (token: string): string =>
  Header.parse(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())).kid;

/** What one look at one token came to. */
type Look = { readonly kid: string; readonly active: boolean; readonly askedAt: number };

describeWithServices('two nodes whose signing key an operator changes', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let node: TestService;
  let other: TestService;

  beforeAll(async () => {
    const variables = await sharedVariables(later);
    node = await startNode(variables);
    other = await startNode(variables);
  });

  const isActive = async (at: TestService, token: string): Promise<boolean> =>
    (await at.auth().validateToken({ token }, gatewayOf(node))).active;

  /** Sessions that go on at both nodes until `stop`, and what each of their tokens was called by both. */
  function load() {
    const looks: Look[] = [];
    const refreshes: string[] = [];
    const over = new AbortController();
    const lane = async (held: Held, first: number): Promise<void> => {
      let newest = held.tokens.refreshToken;
      for (let step = first; !over.signal.aborted; step += 1) {
        const outcome = await tryRefresh((step % 2 === 0 ? node : other).auth(), newest);
        refreshes.push(outcome.reason);
        if (outcome.reason !== 'ok' || outcome.accessToken === undefined) return;
        newest = outcome.refreshToken;
        const token = outcome.accessToken;
        for (const at of [other, node, other, node]) {
          const askedAt = performance.now();
          looks.push({ kid: kidOf(token), active: await isActive(at, token), askedAt });
        }
      }
    };
    const lanes = Promise.all([0, 1, 2, 3].map(async (index) => lane(await openSession(node), index)));
    return {
      looks,
      refreshes,
      signedBy: (kid: string) => eventually(() => looks.some((look) => look.kid === kid && look.active)),
      async stop() {
        over.abort();
        await lanes;
      },
    };
  }

  it('go on without one refusal when a key is brought forward, and when another is made', async () => {
    const { options } = await firstAdministrator(node);
    const running = load();
    const published = await node.admin().rotateSigningKey({}, options);
    for (const at of [other, node]) {
      const { signingKey } = await at.admin().rotateSigningKey({ immediately: true }, options);
      await running.signedBy(signingKey?.kid ?? '');
    }
    await running.stop();
    expect(Object.keys(tally(running.refreshes))).toEqual(['ok']);
    expect(running.looks.filter(({ active }) => !active)).toEqual([]);
    expect(new Set(running.looks.map(({ kid }) => kid))).toContain(published.signingKey?.kid);
    expect(new Set(running.looks.map(({ kid }) => kid)).size).toBeGreaterThanOrEqual(2);
  });

  it('accept nothing of a retired key, everything of the new one, and sessions go on', async () => {
    const before = await firstAdministrator(node);
    const running = load();
    await eventually(() => running.looks.length > 20);
    const old = await openSession(other);
    for (const at of [node, other]) expect(await isActive(at, old.tokens.accessToken)).toBe(true);
    const { signingKey } = await node
      .admin()
      .rotateSigningKey({ immediately: true, retireOthers: true }, before.options);
    expect(await isActive(node, old.tokens.accessToken)).toBe(false);
    await eventually(async () => !(await isActive(other, old.tokens.accessToken)));
    const everywhereAt = performance.now();
    const kid = signingKey?.kid ?? '';
    await running.signedBy(kid);
    const { length } = running.looks;
    await eventually(() => running.looks.length > length + 40);
    await running.stop();

    expect(Object.keys(tally(running.refreshes))).toEqual(['ok']);
    expect(running.looks.filter((look) => look.kid === kid && !look.active)).toEqual([]);
    expect(
      running.looks.filter((look) => look.kid !== kid && look.active && look.askedAt > everywhereAt),
    ).toEqual([]);
    const { keys } = await other.auth().getJwks({});
    expect(keys.map((key) => key.kid)).toEqual([kid]);
  });
});
