// Neither Postgres nor Redis: a node that cannot know what is revoked says so, and calls no good token bad and no bad token good.

import { beforeAll, expect, it } from 'vitest';
import { FakeClock } from '../support/fake-clock.ts';
import type { PrivatePostgres } from '../support/private-postgres.ts';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { startPrivateRedis } from '../support/private-redis.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import { afterSuite, becomeFresh, newMasterKey, nodeStarter, openSession, reasonOf } from './nodes.ts';

const LIMIT_MS = 5_000;

describeWithServices('a node without Postgres and Redis', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  const clock = new FakeClock(Date.now());
  let postgres: PrivatePostgres;
  let redis: PrivateRedis;
  let withRedis: TestService;
  let withoutRedis: TestService;

  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPrivatePostgres(), startPrivateRedis()]);
    later(() => postgres.stop());
    later(() => redis.stop());
    const variables = {
      DATABASE_URL: postgres.url,
      DATABASE_TIMEOUT: '500ms',
      MASTER_KEY: newMasterKey(),
      // Else the gateway's own credential is what nobody can tell about.
      ANONYMOUS_VALIDATION: 'true',
    };
    withRedis = await startNode({ ...variables, REDIS_URL: redis.url }, { clock });
    withoutRedis = await startNode(variables, { clock });
  });

  /** 'active', 'inactive', or why there is no verdict. */
  async function verdictOf(node: TestService, token: string): Promise<string> {
    const call = node.auth().validateToken({ token });
    return call.then(({ active }) => (active ? 'active' : 'inactive'), reasonOf);
  }

  it.each([
    ['with Redis configured', () => withRedis],
    ['on Postgres alone', () => withoutRedis],
  ])('%s, validates for five seconds and then tells that it cannot', async (_name, nodeOf) => {
    const node = nodeOf();
    await becomeFresh(node);
    const { tokens } = await openSession(node);
    const gone = await openSession(node);
    await node.auth().logout({}, bearer(gone.tokens.accessToken));
    const forged = `${tokens.accessToken.slice(0, -8)}AAAAAAAA`;
    expect(await verdictOf(node, tokens.accessToken)).toBe('active');

    await Promise.all([postgres.stopServer(), redis.stopServer()]);
    try {
      clock.advance(LIMIT_MS - 1_000);
      expect(await verdictOf(node, tokens.accessToken)).toBe('active');
      expect(await verdictOf(node, gone.tokens.accessToken)).toBe('inactive');
      clock.advance(1_001);
      // Whatever still ran when the two went has come to its end when the node says that it is stale.
      await expect.poll(() => verdictOf(node, tokens.accessToken)).toBe('REVOCATIONS_STALE');
      // Longer than the interval of anything that might take silence for news.
      const until = performance.now() + 1_500;
      while (performance.now() < until) {
        clock.advance(10);
        expect(await verdictOf(node, tokens.accessToken)).toBe('REVOCATIONS_STALE');
        expect(await verdictOf(node, gone.tokens.accessToken)).toMatch(/inactive|REVOCATIONS_STALE/);
        expect(await verdictOf(node, forged)).toBe('inactive');
      }
      await expect(node.user().getMe({}, bearer(tokens.accessToken))).rejects.toThrow(/cannot tell/);
      const response = await fetch(`${node.httpUrl}/readyz`);
      expect([response.status, await response.json()]).toMatchObject([503, { status: 'unavailable' }]);
    } finally {
      await Promise.all([postgres.startServer(), redis.startServer()]);
    }
    await expect.poll(() => verdictOf(node, tokens.accessToken), { timeout: 10_000 }).toBe('active');
    expect(await verdictOf(node, gone.tokens.accessToken)).toBe('inactive');
  });
});
