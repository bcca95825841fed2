// Redis hangs, dies, loses its data: nothing revoked becomes valid, validation goes on, readiness reports it, and the stream recovers by itself.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import { newId } from '../../src/crypto/ids.ts';
import { RedisRevocationChannel } from '../../src/storage/redis/revocation-channel.ts';
import { eventually, eventuallyPasses } from '../support/eventually.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { startPrivateRedis, withRedis } from '../support/private-redis.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import { describeWithRedis, describeWithServices } from '../support/services.ts';
import type { Variables } from './nodes.ts';
import { afterSuite, gatewayOf, nodeStarter, openSession, sharedVariables } from './nodes.ts';

const Readiness = z.object({ status: z.string(), checks: z.object({ redis: z.string() }) });

async function redisOf(node: TestService): Promise<string> {
  const response = await fetch(`${node.httpUrl}/readyz`);
  const { status, checks } = Readiness.parse(await response.json());
  return `${response.status} ${status} ${checks.redis}`;
}

describeWithServices('two nodes and a Redis that fails', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let redis: PrivateRedis;
  let variables: Variables;
  let node: TestService;
  let other: TestService;

  beforeAll(async () => {
    redis = await startPrivateRedis();
    later(() => redis.stop());
    variables = { ...(await sharedVariables(later)), REDIS_URL: redis.url };
    node = await startNode(variables);
    other = await startNode(variables);
    await eventually(async () => (await redisOf(node)) === '200 ready up');
  });

  async function isActive(at: TestService, token: string): Promise<boolean> {
    return (await at.auth().validateToken({ token }, gatewayOf(node))).active;
  }

  /** Logs out on one node while Redis is away: acknowledged, refused on both, and others stay good. */
  async function expectRevocationsWithoutRedis(): Promise<void> {
    const held = await openSession(node);
    const bystander = await openSession(node);
    expect(await isActive(other, held.tokens.accessToken)).toBe(true);
    await node.auth().logout({}, bearer(held.tokens.accessToken));
    expect(await isActive(node, held.tokens.accessToken)).toBe(false);
    await eventually(async () => !(await isActive(other, held.tokens.accessToken)));
    expect(await isActive(other, bystander.tokens.accessToken)).toBe(true);
  }

  it.each([
    ['hangs', async () => redis.pause(), async () => redis.resume()],
    ['is dead', () => redis.stopServer(), () => redis.startServer()],
  ])('go on while it %s, say so, and heal by themselves', async (_name, fail, recover) => {
    await fail();
    try {
      await expectRevocationsWithoutRedis();
      await eventuallyPasses(async () => expect(await redisOf(node)).toBe('200 degraded down'));
      await expectRevocationsWithoutRedis();
    } finally {
      await recover();
    }
    await eventuallyPasses(async () => expect(await redisOf(node)).toBe('200 ready up'));
    await expectRevocationsWithoutRedis();
  });

  it('revive nothing when it is flushed or comes back empty, and a new node knows all', async () => {
    const [byToken, bySession, bySubject] = await Promise.all([1, 2, 3].map(() => openSession(node)));
    const bystander = await openSession(node);
    const auth = node.auth();
    await auth.revokeToken({ token: byToken!.tokens.accessToken });
    await auth.revokeToken({ token: bySession!.tokens.refreshToken });
    await auth.logoutAll({}, bearer(bySubject!.tokens.accessToken));
    const revoked = [byToken!, bySession!, bySubject!].map(({ tokens }) => tokens.accessToken);
    const expectAllRevoked = async (at: TestService) => {
      for (const token of revoked) expect(await isActive(at, token)).toBe(false);
      expect(await isActive(at, bystander.tokens.accessToken)).toBe(true);
    };
    await eventuallyPasses(() => expectAllRevoked(other));

    await withRedis(redis.url, (client) => client.flushall());
    await expectAllRevoked(node);
    await expectAllRevoked(other);
    await redis.restart();
    await expectAllRevoked(other);
    await expectAllRevoked(await startNode(variables));
  });

  it('start without it, and find it when it comes', async () => {
    await redis.stopServer();
    const third = await startNode(variables);
    await expectRevocationsWithoutRedis();
    await redis.startServer();
    await eventuallyPasses(async () => expect(await redisOf(third)).toBe('200 ready up'));
  });
});

describeWithRedis('the stream of revocations', () => {
  let redis: PrivateRedis;
  let faults = 0;
  const channels: RedisRevocationChannel[] = [];
  const received = new Set<string>();

  const open = () => {
    const channel = new RedisRevocationChannel({
      url: redis.url,
      keyPrefix: 'test:',
      onFault: () => (faults += 1),
      onReady: () => undefined,
    });
    channels.push(channel);
    return channel;
  };
  /** Publishes until it is taken, and resolves when it has arrived: no database helps here. */
  const expectDelivery = async () => {
    const sent = revocation({ form: 'token', id: newId() }, Date.now(), 60_000);
    await eventually(() => channels[0]!.publish([sent]).then(() => true));
    await eventually(() => received.has(sent.id));
  };

  beforeAll(async () => {
    redis = await startPrivateRedis();
    open();
    await open().subscribe({
      onRevocations: (revocations) => revocations.forEach(({ id }) => received.add(id)),
      onAlive: () => undefined,
      onGap: () => undefined,
    });
    await expectDelivery();
  });
  afterAll(async () => {
    await Promise.all(channels.map((channel) => channel.close()));
    await redis.stop();
  });

  it('flows again after a flush', async () => {
    await withRedis(redis.url, (client) => client.flushall());
    await expectDelivery();
  });

  it('flows again after a restart', async () => {
    await redis.restart();
    await expectDelivery();
  });

  it('flows again after Redis hung for several reads', async () => {
    const before = faults;
    redis.pause();
    await eventually(() => faults >= before + 4, { timeoutMs: 30_000 });
    redis.resume();
    await expectDelivery();
  });
});
