// Nodes with different token lifetimes, as while a deployment is under way or after the lifetime was lowered: a revocation outlives the longer tokens.

import { expect, it } from 'vitest';
import { FakeClock } from '../support/fake-clock.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Held, Variables } from './nodes.ts';
import { afterSuite, gatewayOf, nodeStarter, openSession, sharedVariables } from './nodes.ts';

const HOUR_MS = 3_600_000;

const WAYS: ReadonlyArray<
  readonly [name: string, revoke: (node: TestService, held: Held) => Promise<unknown>]
> = [
  ['logout', (node, { tokens }) => node.auth().logout({}, bearer(tokens.accessToken))],
  ['the refresh token', (node, { tokens }) => node.auth().revokeToken({ token: tokens.refreshToken })],
  ['the access token', (node, { tokens }) => node.auth().revokeToken({ token: tokens.accessToken })],
  ['logout everywhere', (node, { tokens }) => node.auth().logoutAll({}, bearer(tokens.accessToken))],
];

describeWithServices('a node whose tokens live shorter than those of another', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  const short = { ACCESS_TOKEN_TTL: '10s' };
  const long = { ACCESS_TOKEN_TTL: '6h' };

  /** When the last revocation of the token is dropped, in the database and on each node. */
  async function keptUntil(nodes: readonly TestService[], { session, user }: Held, tokenId: string) {
    const names = new Set([session.id, user.id, tokenId]);
    const { revocations } = await nodes[0]!.app.revocations.snapshot(0);
    const held = nodes.flatMap((node) => [...node.app.revocationIndex.livePages()].flat());
    return [...revocations, ...held].filter(({ id }) => names.has(id)).map(({ expireTime }) => expireTime);
  }

  async function expectOutlived(
    revoker: TestService,
    nodes: readonly TestService[],
    held: Held,
    revoke: (typeof WAYS)[0][1],
  ) {
    const verified = await revoker.app.accessTokenVerifier.verify(held.tokens.accessToken);
    if ('fault' in verified) throw new Error(verified.fault);
    const { claims } = verified;
    await revoke(revoker, held);
    for (const node of nodes) await expect.poll(() => node.app.revocationIndex.isRevoked(claims)).toBe(true);
    const times = await keptUntil(nodes, held, claims.tokenId);
    expect(times.length).toBeGreaterThan(nodes.length);
    for (const time of times) expect(time).toBeGreaterThan(claims.expiresAt + 5_000);
  }

  it.each(WAYS)('ends them for good by %s, while both run', async (_name, revoke) => {
    const variables = await sharedVariables(later);
    const nodes = [await startNode({ ...variables, ...short }), await startNode({ ...variables, ...long })];
    await expectOutlived(nodes[0]!, nodes, await openSession(nodes[1]!), revoke);
  });

  it('ends them for good after the lifetime was lowered, also for nodes that start later', async () => {
    const variables: Variables = await sharedVariables(later);
    const before = await startNode({ ...variables, ...long });
    const held = await openSession(before);
    const gateway = gatewayOf(before);
    await before.running.stop();
    const after = await startNode({ ...variables, ...short });
    await expectOutlived(after, [after], held, WAYS[0]![1]);
    const third = await startNode({ ...variables, ...short });
    const { active } = await third.auth().validateToken({ token: held.tokens.accessToken }, gateway);
    expect(active).toBe(false);
  });

  it.each([
    ['ahead', 300_000],
    ['behind', -300_000],
  ])(
    'ends them for good where the clock of the node that issued is five minutes %s',
    async (_name, skewMs) => {
      const variables = await sharedVariables(later);
      const start = Date.now();
      const issuer = await startNode(variables, { clock: new FakeClock(start + skewMs) });
      const revoker = await startNode(variables, { clock: new FakeClock(start - skewMs) });
      const held = await openSession(issuer);
      // The revoking node may find the token not yet valid: its session is ended by its id.
      await expectOutlivedBySkew(issuer, revoker, held);
    },
  );

  async function expectOutlivedBySkew(issuer: TestService, revoker: TestService, held: Held) {
    const verified = await issuer.app.accessTokenVerifier.verify(held.tokens.accessToken);
    if ('fault' in verified) throw new Error(verified.fault);
    await revoker.auth().revokeToken({ token: held.tokens.refreshToken });
    const { revocations } = await revoker.app.revocations.snapshot(0);
    const [kept] = revocations.filter(({ id }) => id === held.session.id);
    expect(kept?.expireTime).toBeGreaterThan(verified.claims.expiresAt + 5_000);
    expect(verified.claims.expiresAt).toBeLessThan(Date.now() + HOUR_MS);
  }
});
