// Nodes that reach Postgres or Redis and not both: no token that was revoked anywhere is believed for longer than the grace, and no good one is refused within it.

import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { createVerifier } from '../../src/verifier/index.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { TestService, TestServiceOptions } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import type { Variables } from './nodes.ts';
import { afterSuite, nodeStarter, openSession, reasonOf, sharedVariables } from './nodes.ts';

const portOf = (url: string | undefined) => Number(new URL(url ?? '').port);

/** A node with a link of its own to each server. */
type Linked = { readonly node: TestService; readonly postgres: TcpProxy; readonly redis: TcpProxy };

describeWithServices('nodes with a link of their own to Postgres and to Redis', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  const links: TcpProxy[] = [];
  const nodes: TestService[] = [];
  let shared: Variables;

  beforeAll(async () => {
    shared = {
      ...(await sharedVariables(later)),
      DATABASE_TIMEOUT: '3s',
      // Else the caller's own credential is what nobody can tell about.
      ANONYMOUS_VALIDATION: 'true',
    };
  });
  afterEach(async () => {
    for (const link of links) await link.heal();
    vi.restoreAllMocks();
  });

  async function startLinked(variables: Variables = {}, options?: TestServiceOptions): Promise<Linked> {
    const [postgres, redis] = await Promise.all([
      startTcpProxy(portOf(shared['DATABASE_URL'])),
      startTcpProxy(portOf(shared['REDIS_URL'])),
    ]);
    links.push(postgres, redis);
    later(async () => Promise.all([postgres.close(), redis.close()]));
    const own = {
      DATABASE_URL: postgres.through(shared['DATABASE_URL'] ?? ''),
      REDIS_URL: redis.through(shared['REDIS_URL'] ?? ''),
    };
    const node = await startNode({ ...shared, ...variables, ...own }, options);
    nodes.push(node);
    return { node, postgres, redis };
  }

  /** 'active', 'inactive', or why there is no verdict. */
  const verdictOf = (node: TestService, token: string) =>
    node
      .auth()
      .validateToken({ token })
      .then(({ active }) => (active ? 'active' : 'inactive'), reasonOf);

  it('do not believe a token for longer than the grace that was revoked where they cannot hear it', async () => {
    const grace = { DATABASE_OUTAGE_GRACE: '6s' };
    const [writer, listener] = [await startLinked(grace), await startLinked(grace)];
    const { tokens } = await openSession(writer.node);
    await eventually(async () => (await verdictOf(listener.node, tokens.accessToken)) === 'active');
    // Nobody else may carry it over: whoever reads from Postgres has no Redis.
    const verifier = createVerifier({
      jwks: `${listener.node.httpUrl}/.well-known/jwks.json`,
      issuer: listener.node.app.config.ISSUER,
      audience: listener.node.app.config.AUDIENCE,
      revocations: listener.node.grpcUrl,
      apiKey: writer.node.secrets?.gatewayApiKey ?? '',
    });
    await verifier.ready();
    await writer.redis.refuse();
    await listener.postgres.refuse();
    const cutAt = performance.now();
    await writer.node.auth().logout({}, bearer(tokens.accessToken));
    expect(await verdictOf(writer.node, tokens.accessToken)).toBe('inactive');

    let lastBelieved = cutAt;
    await eventually(
      async () => {
        const verdict = await verdictOf(listener.node, tokens.accessToken);
        if (verdict === 'active') lastBelieved = performance.now();
        return verdict === 'REVOCATIONS_STALE';
      },
      { timeoutMs: 30_000 },
    );
    // Its own bound, and that of whoever listens to its heartbeats.
    expect(listener.node.app.revocationIndex.databaseAgeMs).toBeGreaterThan(6_000);
    expect(lastBelieved).toBeGreaterThanOrEqual(cutAt);
    await eventually(async () => !verifier.isFresh());
    expect(await verifier.verify(tokens.accessToken)).toMatchObject({ outcome: 'unavailable' });
    verifier.close();

    await listener.postgres.heal();
    await eventually(async () => (await verdictOf(listener.node, tokens.accessToken)) === 'inactive');
  });

  it('refuse no good token for the whole grace while none of them reaches Postgres, and every one after it', async () => {
    const clock = new FakeClock(Date.now());
    const linked = [await startLinked({}, { clock }), await startLinked({}, { clock })];
    const { tokens } = await openSession(linked[0]!.node);
    for (const { node } of linked)
      await eventually(async () => (await verdictOf(node, tokens.accessToken)) === 'active');
    for (const { postgres } of linked) await postgres.refuse();
    const lastRead = clock.now();
    while (clock.now() < lastRead + 56_000) {
      clock.advance(4_000);
      for (const { node } of linked) {
        // Redis says within a second that there is nothing new.
        await eventually(() => node.app.revocationIndex.isFresh());
        expect(await verdictOf(node, tokens.accessToken)).toBe('active');
      }
    }
    clock.advance(5_000);
    for (const { node } of linked)
      expect(await verdictOf(node, tokens.accessToken)).toBe('REVOCATIONS_STALE');
    for (const { postgres } of linked) await postgres.heal();
    for (const { node } of linked)
      await eventually(async () => (await verdictOf(node, tokens.accessToken)) === 'active');
  });

  it('hear of a revocation whose publish was lost from the node that read it in Postgres', async () => {
    const [writer, listener] = [await startLinked(), await startLinked()];
    await startLinked();
    const { session, tokens } = await openSession(writer.node);
    await eventually(async () => (await verdictOf(listener.node, tokens.accessToken)) === 'active');
    await listener.postgres.refuse();
    const lost = vi.spyOn(writer.node.app.revocationChannel, 'publish');
    lost.mockImplementationOnce(async () => undefined);
    // Any of the suite's nodes may be the first to read it, and the others then see it on Redis.
    const published = nodes
      .filter((node) => node !== writer.node)
      .map((node) => vi.spyOn(node.app.revocationChannel, 'publish'));
    await writer.node.auth().logout({}, bearer(tokens.accessToken));
    await eventually(async () => (await verdictOf(listener.node, tokens.accessToken)) === 'inactive');
    const again = [...lost.mock.calls.slice(1), ...published.flatMap(({ mock }) => mock.calls)]
      .flatMap(([revocations]) => revocations)
      .filter(({ id }) => id === session.id);
    expect(again.length).toBeGreaterThanOrEqual(1);
    // Each of them once at most.
    expect(again.length).toBeLessThan(nodes.length);
  });
});
