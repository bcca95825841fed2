// The reply to a refresh is lost: whether or not it was committed, the old token leads to the one successor.

import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import type { TestService } from '../support/service.ts';
import {
  countEvents,
  describeOnEveryBackend,
  openSession,
  outcomeOf,
  storedSession,
  tally,
  tryRefresh,
  note,
} from './nodes.ts';

const TRIES = 200;
const AT_ONCE = 20;
const GIVE_UP_WITHIN_MS = 40;

describeOnEveryBackend('a client that gives up its refresh', (openNodes) => {
  let nodes: [TestService, TestService];

  beforeAll(async () => {
    nodes = await openNodes();
  });

  it(`at ${TRIES} random moments, and tries again, forks nothing`, async () => {
    const [node, other] = nodes;
    const [auth, otherAuth] = [node.auth(), other.auth()];
    const committed: string[] = [];

    const giveUpAndRetry = async (): Promise<void> => {
      const { session, tokens } = await openSession(node);
      const giveUp = new AbortController();
      const call = auth.refreshToken({ refreshToken: tokens.refreshToken }, { signal: giveUp.signal });
      const given = outcomeOf(call);
      await delay(Math.random() * GIVE_UP_WITHIN_MS);
      giveUp.abort();
      await given;
      committed.push(`generation ${(await storedSession(node, session.id)).generation}`);

      const retries = await Promise.all(
        [otherAuth, auth].map((each) => tryRefresh(each, tokens.refreshToken)),
      );
      expect(retries.map(({ reason }) => reason)).toEqual(['ok', 'ok']);
      expect(retries[0]?.refreshToken).toBe(retries[1]?.refreshToken);
      expect((await storedSession(node, session.id)).generation).toBe(2);
      expect((await tryRefresh(auth, retries[0]?.refreshToken ?? '')).reason).toBe('ok');
      expect(await countEvents(node, 'session.refresh_reuse', session.id)).toBe(0);
    };
    for (let done = 0; done < TRIES; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, giveUpAndRetry));
    }
    note('when the client gave up:', tally(committed));
    expect(committed).toHaveLength(TRIES);
  }, 120_000);
});
