// A refresh races what ends its session: whichever wins, no token of the session works afterwards.

import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import type { Held, RefreshOutcome } from './nodes.ts';
import {
  describeOnEveryBackend,
  gatewayOf,
  openSession,
  outcomeOf,
  tally,
  tryRefresh,
  note,
} from './nodes.ts';

const AT_ONCE = 50;
// How far, at random, the one that starts second lags behind, so that each wins some of the races.
const MAX_LAG_MS = 30;
// RevokeSession answers SESSION_NOT_FOUND for one that has ended; here it has always one to end.
const REFUSED = new Set(['ok', 'TOKEN_REVOKED']);

type Ending = { readonly name: string; end(node: TestService, held: Held): Promise<unknown> };

const ENDINGS: readonly Ending[] = [
  {
    name: 'RevokeSession',
    end: (node, { session, tokens }) =>
      users(node).revokeSession({ sessionId: session.id }, bearer(tokens.accessToken)),
  },
  { name: 'Logout', end: (node, { tokens }) => auths(node).logout({}, bearer(tokens.accessToken)) },
  { name: 'LogoutAll', end: (node, { tokens }) => auths(node).logoutAll({}, bearer(tokens.accessToken)) },
];

const users = remembered((node) => node.user());
const auths = remembered((node) => node.auth());

const lag = () => Math.random() * MAX_LAG_MS;

function remembered<Value>(make: (node: TestService) => Value): (node: TestService) => Value {
  const made = new WeakMap<TestService, Value>();
  return (node) => {
    const value = made.get(node) ?? make(node);
    made.set(node, value);
    return value;
  };
}

describeOnEveryBackend('a refresh against', (openNodes, backend) => {
  // The embedded database serves one statement at a time: fewer races show as much.
  const races = backend === 'embedded' ? 300 : 1_000;
  let first: TestService;
  let second: TestService;

  beforeAll(async () => {
    [first, second] = await openNodes();
  });

  async function race(ending: Ending, index: number): Promise<string> {
    const held = await openSession(first);
    // Each starts first half of the time, and each runs on either node.
    const [here, there] = index % 2 === 0 ? [first, second] : [second, first];
    const [refreshLag, endLag] = index % 4 < 2 ? [0, lag()] : [lag(), 0];
    const [won, ended] = await Promise.all([
      delay(refreshLag).then(() => tryRefresh(auths(here), held.tokens.refreshToken)),
      delay(endLag).then(() => outcomeOf(ending.end(there, held))),
    ]);
    expect(ended).toBe('ok');
    expect(REFUSED).toContain(won.reason);
    await expectNoSurvivor(there, held, won);
    return won.reason;
  }

  // On the node that acknowledged the end; that the others learn it is another test's business.
  async function expectNoSurvivor(node: TestService, held: Held, won: RefreshOutcome): Promise<void> {
    const accessTokens = [held.tokens.accessToken, won.accessToken].filter((token) => token !== undefined);
    const { responses } = await auths(node).batchValidateTokens(
      { requests: accessTokens.map((token) => ({ token })) },
      gatewayOf(first),
    );
    expect(responses.map(({ active }) => active)).toEqual(accessTokens.map(() => false));
    const refreshTokens = [held.tokens.refreshToken, won.refreshToken].filter((token) => token !== undefined);
    const refreshed = await Promise.all(refreshTokens.map((token) => tryRefresh(auths(first), token)));
    expect(refreshed.map(({ reason }) => reason)).toEqual(refreshTokens.map(() => 'TOKEN_REVOKED'));
  }

  it.each(ENDINGS)(
    `$name: no survivor in ${races} races`,
    async (ending) => {
      const reasons: string[] = [];
      for (let done = 0; done < races; done += AT_ONCE) {
        const batch = Array.from({ length: AT_ONCE }, (_, index) => race(ending, done + index));
        reasons.push(...(await Promise.all(batch)));
      }
      note(`refreshes that raced ${ending.name}:`, tally(reasons));
      expect(reasons).toHaveLength(races);
    },
    120_000,
  );
});
