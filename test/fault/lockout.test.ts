// Failure counters survive: on every node, over a flushed Redis, a restart, and a login that was rolled back.

import { beforeAll, expect, it } from 'vitest';

import { Redis } from 'ioredis';
import type { TestService } from '../support/service.ts';
import { GOOD_PASSWORD } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Variables } from './nodes.ts';
import { afterSuite, nodeStarter, reasonOf, sharedVariables } from './nodes.ts';

describeWithServices('failed logins', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let variables: Variables;
  let one: TestService;
  let other: TestService;
  beforeAll(async () => {
    variables = await sharedVariables(later);
    one = await startNode(variables);
    other = await startNode(variables);
  });

  const register = async (name: string) => {
    const email = `${name}@example.com`;
    await one.auth().register({ email, username: name, password: GOOD_PASSWORD, fullName: 'Test Person' });
    return email;
  };
  const attempt = (node: TestService, identifier: string, password: string) =>
    node
      .auth()
      .login({ identifier, password })
      .then(() => 'OK', reasonOf);

  it('are counted together on all nodes, whatever Redis forgets', async () => {
    const email = await register('spread');
    for (const node of [one, other, one, other]) {
      expect(await attempt(node, email, 'wrong')).toBe('INVALID_CREDENTIALS');
      const redis = new Redis(variables['REDIS_URL'] ?? '');
      const prefix = variables['REDIS_KEY_PREFIX'] ?? '';
      const keys = await redis.keys(`${prefix}*`);
      if (keys.length > 0) await redis.del(...keys);
      redis.disconnect();
    }
    expect(await attempt(one, email.toUpperCase(), 'wrong')).toBe('INVALID_CREDENTIALS');
    expect(await attempt(other, email, GOOD_PASSWORD)).toBe('ACCOUNT_LOCKED');
  });

  it('are counted though the login is rolled back, and outlive a restart', async () => {
    const email = await register('patience');
    const restarted = await startNode(variables);
    for (let failure = 0; failure < 5; failure += 1)
      expect(await attempt(restarted, email, 'wrong')).toBe('INVALID_CREDENTIALS');
    await restarted.running.stop();
    const again = await startNode(variables);
    expect(await attempt(again, email, GOOD_PASSWORD)).toBe('ACCOUNT_LOCKED');
  });

  it('on two nodes at once are five, not ten', async () => {
    const email = await register('stormed');
    const attempts = Array.from({ length: 60 }, (_, index) =>
      attempt(index % 2 === 0 ? one : other, email, 'wrong'),
    );
    const reasons = await Promise.all(attempts);
    expect(reasons.filter((reason) => reason === 'INVALID_CREDENTIALS')).toHaveLength(5);
  });
});
