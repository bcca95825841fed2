// The contract of RevocationChannel, in memory and over Redis, and how the Redis one lives through faults.

import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { Revocation } from '../../src/domain/revocation/revocation.ts';
import type { RevocationChannel } from '../../src/domain/revocation/revocation-channel.ts';
import { memoryRevocationChannel } from '../../src/storage/memory/revocation-channel.ts';
import { RedisRevocationChannel } from '../../src/storage/redis/revocation-channel.ts';
import { eventually } from '../support/eventually.ts';
import { startPrivateRedis, withRedis, type PrivateRedis } from '../support/private-redis.ts';
import { NOW } from '../support/samples.ts';
import { describeWithRedis, redisKeyPrefix, redisUrl } from '../support/services.ts';

const named = (id: string): Revocation => ({ form: 'token', id, revokeTime: NOW, expireTime: NOW + 1_000 });

/** A subscriber that remembers what it heard. */
function ear() {
  const heard: Revocation[] = [];
  const listener = {
    alive: 0,
    gaps: 0,
    onRevocations: (revocations: readonly Revocation[]) => void heard.push(...revocations),
    onAlive: () => void (listener.alive += 1),
    onGap: () => void (listener.gaps += 1),
  };
  const ids = () => heard.map(({ id }) => id);
  return { heard, ids, listener };
}

const hears = (ids: () => string[], id: string) =>
  eventually(() => ids().includes(id), { message: `never heard ${id}` });

/** Publishes until it succeeds, as a channel that was away takes a moment. */
const publishEventually = (channel: RevocationChannel, id: string) =>
  eventually(async () => {
    await channel.publish([named(id)]);
    return true;
  });

const open: RedisRevocationChannel[] = [];
afterEach(() => Promise.all(open.splice(0).map((channel) => channel.close())));

function redisChannel(url = redisUrl()): RedisRevocationChannel {
  const channel = new RedisRevocationChannel({
    url,
    keyPrefix: redisKeyPrefix(),
    onFault: () => undefined,
    onReady: () => undefined,
  });
  open.push(channel);
  return channel;
}

async function connected(url?: string): Promise<RedisRevocationChannel> {
  const channel = redisChannel(url);
  await eventually(() => channel.isConnected);
  return channel;
}

/** `openNode` opens one more node of the same installation. */
function contract(openNode: () => Promise<RevocationChannel>): void {
  it('carries every form to every subscriber, the publishing node included', async () => {
    const nodes = [await openNode(), await openNode(), await openNode()];
    const ears = nodes.map(() => ear());
    for (const [index, node] of nodes.entries())
      await node.subscribe(ears[index]?.listener ?? ear().listener);
    const revocations: Revocation[] = [
      named('one'),
      { ...named('two'), form: 'session' },
      { ...named('later'), form: 'session', effectTime: NOW + 3 },
      { form: 'subject', id: 'three', minVersion: 4, revokeTime: NOW, expireTime: NOW + 5 },
    ];
    await nodes[0]?.publish(revocations);
    for (const { heard, ids } of ears) {
      await hears(ids, 'three');
      expect(heard.filter(({ id }) => ['one', 'two', 'later', 'three'].includes(id))).toEqual(revocations);
    }
  });

  it('carries 1,000 entries in order', async () => {
    const [from, to] = [await openNode(), await openNode()];
    const { ids, listener } = ear();
    await to.subscribe(listener);
    const expected = Array.from({ length: 1_000 }, (_, index) => `entry-${index}`);
    for (const id of expected) await from.publish([named(id)]);
    await hears(ids, 'entry-999');
    expect(ids().filter((id) => id.startsWith('entry-'))).toEqual(expected);
  });

  it('proves that it listens, also when nothing is published', async () => {
    const { listener } = ear();
    await (await openNode()).subscribe(listener);
    await eventually(() => listener.alive >= 2);
  });

  it('is silent once it is closed', async () => {
    const [from, to] = [await openNode(), await openNode()];
    const [deaf, live] = [ear(), ear()];
    await to.subscribe(deaf.listener);
    await from.subscribe(live.listener);
    await to.close();
    await from.publish([named('after close')]).catch(() => undefined);
    expect(deaf.ids()).not.toContain('after close');
  });
}

describe('RevocationChannel in memory', () => {
  // One process is one node: its subscribers are all there are.
  let channel: RevocationChannel;
  beforeAll(() => {
    channel = memoryRevocationChannel();
  });
  afterAll(() => channel.close());
  contract(async () => {
    const node = channel;
    return { ...node, close: async () => closeAndReopen(node) };
  });
  const closeAndReopen = async (node: RevocationChannel) => {
    await node.close();
    channel = memoryRevocationChannel();
  };
});

describeWithRedis('RevocationChannel over Redis', () => {
  afterAll(() => withRedis(redisUrl(), (redis) => redis.del(`${redisKeyPrefix()}revocations`)));
  contract(() => connected());

  it('hears on after the stream was deleted', async () => {
    const channel = await connected();
    const { ids, listener } = ear();
    await channel.subscribe(listener);
    for (let round = 0; round < 5; round += 1) {
      await channel.publish([named(`before ${round}`)]);
      await hears(ids, `before ${round}`);
      expect(await withRedis(redisUrl(), (redis) => redis.del(`${redisKeyPrefix()}revocations`))).toBe(1);
      await channel.publish([named(`after ${round}`)]);
      await hears(ids, `after ${round}`);
    }
  });

  it('hears on when the stream begins again with lower ids, as after a failover', async () => {
    const key = `${redisKeyPrefix()}revocations`;
    const channel = await connected();
    const { ids, listener } = ear();
    await channel.subscribe(listener);
    await channel.publish([named('before')]);
    await hears(ids, 'before');
    await withRedis(redisUrl(), async (redis) => {
      const entry = JSON.stringify([named('lower id')]);
      await redis.multi().del(key).xadd(key, '5-1', 'revocations', entry).exec();
      await hears(ids, 'lower id');
      await redis.xadd(key, '5-2', 'revocations', JSON.stringify([named('next lower id')]));
      await hears(ids, 'next lower id');
    });
  });

  const failsOver = (key: string, ...entries: ReadonlyArray<readonly [id: string, name: string]>) =>
    withRedis(redisUrl(), async (redis) => {
      const replaced = redis.multi().del(key);
      for (const [id, name] of entries) replaced.xadd(key, id, 'revocations', JSON.stringify([named(name)]));
      await replaced.exec();
    });

  it.each([
    ['is gone', []],
    ['begins again with lower ids', [['5-1', 'low'] as const]],
    ['goes on with other entries', [['99999999999999-1', 'high'] as const]],
  ])('tells of a gap when the stream %s', async (_name, entries) => {
    const key = `${redisKeyPrefix()}revocations`;
    const channel = await connected();
    const { ids, listener } = ear();
    await channel.subscribe(listener);
    await channel.publish([named('before the gap')]);
    await hears(ids, 'before the gap');
    expect(listener.gaps).toBe(0);
    await failsOver(key, ...entries);
    await eventually(() => listener.gaps > 0);
    for (const [, name] of entries) await hears(ids, name);
    const { alive } = listener;
    await eventually(() => listener.alive > alive);
    await withRedis(redisUrl(), (redis) => redis.del(key));
  });

  it('claims to have read nothing that it has not, while it reads a burst in pieces', async () => {
    const key = `${redisKeyPrefix()}revocations`;
    const channel = await connected();
    const read = new Set<string>();
    let publishedAt = Infinity;
    let claims = 0;
    let falseClaims = 0;
    await channel.subscribe({
      onRevocations: (revocations) => revocations.forEach(({ id }) => read.add(id)),
      onAlive: (ageMs) => {
        if (performance.now() - ageMs < publishedAt) return;
        claims += 1;
        if (!read.has('burst-2499')) falseClaims += 1;
      },
      onGap: () => undefined,
    });
    await withRedis(redisUrl(), async (redis) => {
      const burst = redis.multi();
      for (let index = 0; index < 2_500; index += 1)
        burst.xadd(key, '*', 'revocations', JSON.stringify([named(`burst-${index}`)]));
      const executed = burst.exec();
      publishedAt = performance.now();
      await executed;
    });
    await eventually(() => claims > 0);
    expect(falseClaims).toBe(0);
  });

  it('passes over what is none of ours', async () => {
    const channel = await connected();
    const { heard, ids, listener } = ear();
    await channel.subscribe(listener);
    const garbage = [
      '',
      'null',
      '{}',
      '[{}]',
      '[[',
      '"text"',
      '\u0000',
      '[{"form":"planet","id":"x","revokeTime":1,"expireTime":2}]',
      '[{"form":"token","id":5,"revokeTime":1,"expireTime":2}]',
      '[{"form":"subject","id":"x","revokeTime":1,"expireTime":2}]',
      '[{"form":"token","id":"x","revokeTime":"1","expireTime":null}]',
      `[${'['.repeat(50_000)}`,
    ];
    await withRedis(redisUrl(), async (redis) => {
      for (const text of garbage) await redis.xadd(`${redisKeyPrefix()}revocations`, '*', 'other', text);
      for (const text of garbage)
        await redis.xadd(`${redisKeyPrefix()}revocations`, '*', 'revocations', text);
    });
    await channel.publish([named('after the garbage')]);
    await hears(ids, 'after the garbage');
    expect(heard).toEqual([named('after the garbage')]);
  });
});

describeWithRedis('RevocationChannel over a Redis in trouble', () => {
  const AWAY = /closed|writeable|timed out|max retries|ECONN/i;
  let redis: PrivateRedis;
  beforeAll(async () => {
    redis = await startPrivateRedis();
  });
  afterAll(() => redis.stop());

  const failsFast = async (channel: RevocationChannel) => {
    const start = performance.now();
    await expect(channel.publish([named('lost')])).rejects.toThrow(AWAY);
    return performance.now() - start;
  };

  it('hears again after a restart, and refuses at once while it is down', async () => {
    const channel = await connected(redis.url);
    const { ids, listener } = ear();
    await channel.subscribe(listener);
    await channel.publish([named('before')]);
    await hears(ids, 'before');
    await redis.stopServer();
    for (let attempt = 0; attempt < 20; attempt += 1) expect(await failsFast(channel)).toBeLessThan(2_000);
    const { alive } = listener;
    await redis.startServer();
    await publishEventually(channel, 'after');
    await hears(ids, 'after');
    expect(ids()).not.toContain('lost');
    await eventually(() => listener.alive > alive);
  });

  it('refuses within its limit while Redis hangs, claims no life, and hears again', async () => {
    const channel = await connected(redis.url);
    const { ids, listener } = ear();
    await channel.subscribe(listener);
    await eventually(() => listener.alive > 0);
    redis.pause();
    try {
      const { alive } = listener;
      for (let attempt = 0; attempt < 3; attempt += 1) expect(await failsFast(channel)).toBeLessThan(2_000);
      expect(listener.alive).toBeLessThanOrEqual(alive + 1);
    } finally {
      redis.resume();
    }
    await publishEventually(channel, 'after the pause');
    await hears(ids, 'after the pause');
  });

  it('subscribes also while Redis is down, and hears what comes once it is back', async () => {
    await redis.stopServer();
    const channel = redisChannel(redis.url);
    const { ids, listener } = ear();
    await channel.subscribe(listener);
    expect(listener.alive).toBe(0);
    await redis.startServer();
    await publishEventually(channel, 'at last');
    await hears(ids, 'at last');
  });

  it('closes while Redis is down', async () => {
    const channel = redisChannel(redis.url);
    await channel.subscribe(ear().listener);
    await redis.stopServer();
    await channel.close();
    await expect(channel.publish([named('closed')])).rejects.toThrow(AWAY);
    await redis.startServer();
  });

  it('leaves no connection behind when it is closed', async () => {
    const watcher = new Redis(redis.url);
    const clients = async () => String(await watcher.client('LIST')).match(/name=latchkey/g)?.length ?? 0;
    const channel = await connected(redis.url);
    await channel.subscribe(ear().listener);
    await eventually(async () => (await clients()) >= 2);
    await channel.close();
    await eventually(async () => (await clients()) === 0);
    watcher.disconnect();
  });
});
