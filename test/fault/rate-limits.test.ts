// Limits on two nodes over one Redis, before, while and after it is away.

import { beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { startPrivateRedis } from '../support/private-redis.ts';
import type { TestService } from '../support/service.ts';
import { GOOD_PASSWORD } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import { afterSuite, nodeStarter, outcomeOf, sharedVariables, tally } from './nodes.ts';

describeWithServices('two nodes and a Redis that fails', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let redis: PrivateRedis;
  let nodes: TestService[];
  let places = 0;
  let people = 0;

  beforeAll(async () => {
    redis = await startPrivateRedis();
    later(() => redis.stop());
    const variables = {
      ...(await sharedVariables(later)),
      REDIS_URL: redis.url,
      RATE_LIMITS: 'on',
      TRUSTED_PROXIES: '127.0.0.1',
    };
    nodes = [await startNode(variables), await startNode(variables)];
  });

  const somewhere = () => {
    places += 1;
    return `198.51.100.${places}`;
  };
  // Each time as somebody else, so that no account is counted.
  const tryLogin = (node: TestService | undefined, address: string) => {
    people += 1;
    const request = { identifier: `nobody${people}`, password: GOOD_PASSWORD };
    return outcomeOf(node!.auth().login(request, { headers: { 'x-forwarded-for': address } }));
  };
  /** Logs in `times` times, at the nodes in turn. */
  const tryLogins = async (address: string, times: number) =>
    tally(
      await Promise.all(Array.from({ length: times }, (_, index) => tryLogin(nodes[index % 2], address))),
    );
  const countTogether = () =>
    eventually(async () => (await tryLogins(somewhere(), 20))['RATE_LIMITED'] === 15);

  it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
    ['dies', () => redis.stopServer(), () => redis.startServer()],
    ['hangs', async () => redis.pause(), async () => redis.resume()],
  ])('count together, each for itself when it %s, and together again', async (_what, fail, recover) => {
    await countTogether();
    const usedUp = somewhere();
    await tryLogins(usedUp, 10);
    await fail();
    try {
      expect(await tryLogin(nodes[0], usedUp)).toBe('RATE_LIMITED');
      expect(await tryLogin(nodes[1], usedUp)).toBe('RATE_LIMITED');
      // Ten, not five: the nodes do not hear of each other. Never all forty.
      expect(await tryLogins(somewhere(), 40)).toEqual({ INVALID_CREDENTIALS: 10, RATE_LIMITED: 30 });
    } finally {
      await recover();
    }
    await countTogether();
  });
});
