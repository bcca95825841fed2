// The feed of gateways over two nodes: whatever breaks, a watcher that resumes has seen all that is revoked.

import * as fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { publishRevocations } from '../../src/domain/revocation/publish-revocations.ts';
import type { RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import { eventually } from '../support/eventually.ts';
import { issueApiKey } from '../support/forged-tokens.ts';
import type { PrivateRedis } from '../support/private-redis.ts';
import { startPrivateRedis, withRedis } from '../support/private-redis.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Watcher } from '../support/watcher.ts';
import { freshMemory, watch } from '../support/watcher.ts';
import type { Auth, Variables } from './nodes.ts';
import { afterSuite, nodeStarter, note, openSession, sharedVariables } from './nodes.ts';

const REVOCATIONS = 300;
const WATCHERS = 200;

describeWithServices('watchers of two nodes', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let redis: PrivateRedis;
  let variables: Variables;
  let node: TestService;
  let other: TestService;
  let headers: Record<string, string>;
  let clients: readonly [Auth, Auth];

  beforeAll(async () => {
    redis = await startPrivateRedis();
    later(() => redis.stop());
    variables = { ...(await sharedVariables(later)), REDIS_URL: redis.url };
    node = await startNode(variables);
    other = await startNode(variables);
    headers = bearer((await issueApiKey(node.app, ['tokens:validate'])).text).headers;
    clients = [node.auth(), other.auth()];
  });

  /** Revokes on `at` as a use case does; `isAnnounced` false is a node that dies between the two. */
  async function revoke(at: TestService, count = 1, isAnnounced = true): Promise<readonly string[]> {
    const all = Array.from({ length: count }, (_, index) => {
      const id = at.app.newId();
      const targets: readonly RevocationTarget[] = [
        { form: 'token', id },
        { form: 'session', id },
        { form: 'subject', id, minVersion: 2 },
      ];
      return revocation(targets[index % 3]!, at.app.clock.now(), 900_000);
    });
    await at.app.transact(async ({ revocations }) => {
      for (const one of all) await revocations.insert(one);
    });
    if (isAnnounced) await publishRevocations(at.app, all);
    return all.map(({ id }) => id);
  }

  const missingFrom = (watcher: Pick<Watcher, 'seen'>, ids: readonly string[]) =>
    ids.filter((id) => !watcher.seen.has(id));

  async function sees(watcher: Watcher, ids: readonly string[]): Promise<void> {
    await eventually(() => missingFrom(watcher, ids).length === 0, {
      message: () => `${missingFrom(watcher, ids).length} of ${ids.length} are missing`,
    });
  }

  it(`hear on one of ${REVOCATIONS} revocations on the other, each in its time`, async () => {
    const heard = new Map<string, number>();
    const watcher = watch(clients[1], headers, freshMemory(), (id) => heard.set(id, performance.now()));
    await watcher.upToDate();
    const auth = node.auth();
    const delays: number[] = [];
    for (let index = 0; index < REVOCATIONS; index += 1) {
      const { tokens, session } = await openSession(node);
      const before = performance.now();
      await auth.revokeToken({ token: tokens.refreshToken });
      const at = await eventually(() => heard.get(session.id), { intervalMs: 1 });
      delays.push(at - before);
    }
    await watcher.leave();
    delays.sort((left, right) => left - right);
    const at = (share: number) => (delays[Math.ceil(delays.length * share) - 1] ?? 0).toFixed(1);
    note(`heard by a watcher of the other node, from the call on: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
    expect(heard.size).toBeGreaterThanOrEqual(REVOCATIONS);
  });

  it('resume on the other node what they began on one', async () => {
    const memory = freshMemory();
    const first = watch(clients[0], headers, memory);
    await first.upToDate();
    await first.leave();
    const missed = await revoke(node, 3);
    const second = watch(clients[1], headers, memory);
    await second.upToDate();
    expect(second.counts.snapshot).toBe(0);
    expect(missingFrom(second, missed)).toEqual([]);
    await second.leave();
  });

  it('resume on a node that was started since', async () => {
    const memory = freshMemory();
    const mortal = await startNode(variables);
    const first = watch(mortal.auth(), headers, memory);
    await first.upToDate();
    await mortal.running.stop();
    expect((await first.ended)?.reason).toBe('SHUTTING_DOWN');
    const missed = await revoke(node, 3, false);
    const successor = await startNode(variables);
    const second = watch(successor.auth(), headers, memory);
    await second.upToDate();
    expect(second.counts.snapshot).toBe(0);
    expect(missingFrom(second, missed)).toEqual([]);
    await second.leave();
  });

  it('miss nothing that commits late: written before the cursor, committed after it', async () => {
    const memory = freshMemory();
    const written = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const early = revocation({ form: 'token', id: node.app.newId() }, node.app.clock.now(), 900_000);
    const slow = node.app.transact(async ({ revocations }) => {
      await revocations.insert(early);
      written.resolve();
      await mayCommit.promise;
    });
    await written.promise;
    const first = watch(clients[0], headers, memory);
    await sees(first, await revoke(other, 1));
    const { length } = first.heartbeats;
    await eventually(() => first.heartbeats.length >= length + 3);
    await first.leave();
    mayCommit.resolve();
    await slow;
    const second = watch(clients[1], headers, memory);
    await second.upToDate();
    expect(missingFrom(second, [early.id])).toEqual([]);
    await second.leave();
  });

  it('have seen all that is revoked, however often they are cut off', async () => {
    const step = fc.record({
      act: fc.constantFrom('revoke', 'revoke silently', 'cut', 'cut and move', 'wait', 'flush'),
      on: fc.boolean(),
      count: fc.integer({ min: 1, max: 40 }),
    });
    let cuts = 0;
    let revoked = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const memory = freshMemory();
        const all: string[] = [];
        let turn = 0;
        let watcher = watch(clients[0], headers, memory);
        for (const { act, on, count } of steps) {
          const at = on ? node : other;
          if (act === 'revoke') all.push(...(await revoke(at, count)));
          if (act === 'revoke silently') all.push(...(await revoke(at, count, false)));
          if (act === 'wait') await watcher.upToDate();
          if (act === 'flush') await withRedis(redis.url, (client) => client.flushall());
          if (act !== 'cut' && act !== 'cut and move') continue;
          cuts += 1;
          turn += act === 'cut' ? 0 : 1;
          await watcher.leave();
          watcher = watch(clients[turn % 2 === 0 ? 0 : 1], headers, memory);
        }
        await sees(watcher, all);
        await watcher.leave();
        revoked += all.length;
      }),
      { numRuns: 15 },
    );
    note(`${revoked} revocations, ${cuts} disconnects, none missed`);
  }, 180_000);

  it.each([
    ['hangs', async () => redis.pause(), async () => redis.resume()],
    ['is dead', () => redis.stopServer(), () => redis.startServer()],
  ])('hear of revocations while Redis %s, and after', async (_what, fail, recover) => {
    const watchers = clients.map((client) => watch(client, headers));
    await Promise.all(watchers.map((watcher) => watcher.upToDate()));
    await fail();
    try {
      const without = await revoke(node, 3);
      for (const watcher of watchers) await sees(watcher, without);
      for (const watcher of watchers) await watcher.upToDate();
    } finally {
      await recover();
    }
    const after = await revoke(other, 3);
    for (const watcher of watchers) await sees(watcher, after);
    await Promise.all(watchers.map((watcher) => watcher.leave()));
  });

  it(`are ${WATCHERS} at once, and all hear the same`, async () => {
    const heard: number[] = [];
    let began = 0;
    const watchers = Array.from({ length: WATCHERS }, (_, index) =>
      watch(clients[index % 2 === 0 ? 0 : 1], headers, freshMemory(), () =>
        heard.push(performance.now() - began),
      ),
    );
    await Promise.all(watchers.map((watcher) => watcher.upToDate()));
    heard.length = 0;
    began = performance.now();
    const one = await revoke(node, 1);
    await Promise.all(watchers.map((watcher) => sees(watcher, one)));
    note(
      `${WATCHERS} watchers heard of one revocation within ${Math.max(...heard).toFixed(1)} ms of its beginning`,
    );
    const many = (await Promise.all([revoke(node, 500), revoke(other, 500)])).flat();
    await Promise.all(watchers.map((watcher) => sees(watcher, many)));
    // The poll reads them again, and nobody is told twice.
    const { events } = watchers[0]!.counts;
    const { length } = watchers[0]!.heartbeats;
    await eventually(() => watchers[0]!.heartbeats.length >= length + 2);
    expect(watchers[0]!.counts.events).toBe(events);
    await Promise.all(watchers.map((watcher) => watcher.leave()));
  });
});
