// A database that hangs for longer than the grace lasts: every session refreshes again afterwards, on whichever node, and none is taken for stolen.

import { beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { PrivatePostgres } from '../support/private-postgres.ts';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import type { TestService } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Held } from './nodes.ts';
import {
  afterSuite,
  countEvents,
  newMasterKey,
  nodeStarter,
  openSession,
  storedSession,
  tally,
  tryRefresh,
} from './nodes.ts';

const SESSIONS = 15;
const GRACE_MS = 10_000;
const STALL_MS = GRACE_MS + 1_000;

describeWithServices('two nodes whose database hangs while sessions refresh', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let postgres: PrivatePostgres;
  let nodes: [TestService, TestService];

  beforeAll(async () => {
    postgres = await startPrivatePostgres();
    later(() => postgres.stop());
    const variables = {
      DATABASE_URL: postgres.url,
      DATABASE_TIMEOUT: '1s',
      REFRESH_GRACE: `${GRACE_MS}ms`,
      MASTER_KEY: newMasterKey(),
    };
    nodes = [await startNode(variables), await startNode(variables)];
  });

  it.each([
    ['the same node', 0],
    ['the other node', 1],
  ])('end none of them, when each is tried again on %s', async (_name, offset) => {
    const held: Held[] = [];
    for (let index = 0; index < SESSIONS; index += 1) held.push(await openSession(nodes[index % 2]!));
    const tryAll = () =>
      Promise.all(held.map(({ tokens }, index) => tryRefresh(nodes[index % 2]!.auth(), tokens.refreshToken)));

    postgres.pause();
    const hungAt = performance.now();
    try {
      await eventually(
        async () => {
          const reasons = tally((await tryAll()).map(({ reason }) => reason));
          expect(reasons).toEqual({ STORAGE_UNAVAILABLE: SESSIONS });
          return performance.now() - hungAt > STALL_MS;
        },
        { timeoutMs: 30_000 },
      );
    } finally {
      postgres.resume();
    }
    // Once each has its answer it is not shown again: the grace of a session that moved on runs out.
    const waiting = new Set(held);
    const reasons: string[] = [];
    await eventually(
      async () => {
        const outcomes = await Promise.all(
          [...waiting].map(async (one) => {
            const node = nodes[(held.indexOf(one) + offset) % 2]!;
            const { reason } = await tryRefresh(node.auth(), one.tokens.refreshToken);
            if (reason !== 'STORAGE_UNAVAILABLE') waiting.delete(one);
            return reason;
          }),
        );
        reasons.push(...outcomes.filter((reason) => reason !== 'STORAGE_UNAVAILABLE'));
        return waiting.size === 0;
      },
      { timeoutMs: 30_000 },
    );
    expect(tally(reasons)).toEqual({ ok: SESSIONS });
    for (const { session } of held) {
      expect(await countEvents(nodes[0], 'session.refresh_reuse', session.id)).toBe(0);
      expect((await storedSession(nodes[0], session.id)).revokeTime).toBeUndefined();
    }
  });
});
