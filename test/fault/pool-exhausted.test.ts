// Every connection to Postgres is taken by something that waits: calls are refused in time, health answers, and nothing leaks.

import { beforeAll, expect, it } from 'vitest';
import { withClient } from '../support/private-postgres.ts';
import type { TestService } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import { healthOf } from './health-client.ts';
import type { Held, Variables } from './nodes.ts';
import {
  afterSuite,
  gatewayOf,
  nodeStarter,
  openSession,
  sharedVariables,
  tally,
  tryRefresh,
} from './nodes.ts';

const TIMEOUT_MS = 500;
const CALLS = 50;

describeWithServices('a node with one connection to Postgres, and that one taken', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let variables: Variables;
  let node: TestService;
  let held: Held;

  beforeAll(async () => {
    variables = await sharedVariables(later);
    node = await startNode({ ...variables, DATABASE_POOL_SIZE: '1', DATABASE_TIMEOUT: `${TIMEOUT_MS}ms` });
    held = await openSession(node);
    await node.auth().validateToken({ token: held.tokens.accessToken }, gatewayOf(node));
  });

  const whileLocked = (use: () => Promise<void>): Promise<void> =>
    withClient(variables['DATABASE_URL'] ?? '', async (blocker) => {
      await blocker.query('begin');
      await blocker.query('lock table sessions in access exclusive mode');
      await use();
      await blocker.query('rollback');
    });

  it('refuses in time, validates, answers for its health, and goes on afterwards', async () => {
    const auth = node.auth();
    await whileLocked(async () => {
      const started = performance.now();
      // Different tokens: each needs the connection for itself.
      const tokens = Array.from({ length: CALLS }, (_, generation) =>
        node.app.refreshTokenCodec.write({ sessionId: held.session.id, generation, salt: held.session.salt }),
      );
      const refused = Promise.all(tokens.map((token) => tryRefresh(auth, token)));
      const verdict = await auth.validateToken({ token: held.tokens.accessToken }, gatewayOf(node));
      expect(verdict.active).toBe(true);
      expect(['SERVING', 'NOT_SERVING']).toContain(await healthOf(node));
      const reasons = tally((await refused).map(({ reason }) => reason));
      expect(reasons).toEqual({ STORAGE_UNAVAILABLE: CALLS });
      // One wait for the connection, one for the answer; the rest is for a busy machine.
      expect(performance.now() - started).toBeLessThan(2 * TIMEOUT_MS + 1_500);
    });
    await expect.poll(() => tryRefresh(auth, held.tokens.refreshToken)).toMatchObject({ reason: 'ok' });
  });

  it('has its connection back after calls that were cancelled while they waited', async () => {
    const auth = node.auth();
    const giveUp = new AbortController();
    await whileLocked(async () => {
      const calls = Array.from({ length: CALLS }, () =>
        auth.refreshToken({ refreshToken: held.tokens.refreshToken }, { signal: giveUp.signal }),
      );
      giveUp.abort();
      const outcomes = await Promise.allSettled(calls);
      expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    });
    await expect.poll(() => openSession(node).then(() => true)).toBe(true);
    for (let call = 0; call < 20; call += 1) await openSession(node);
    const { rowCount } = await withClient(variables['DATABASE_URL'] ?? '', (client) =>
      client.query(
        "select 1 from pg_stat_activity where datname = current_database() and application_name = 'latchkey'",
      ),
    );
    expect(rowCount).toBe(1);
  });
});
