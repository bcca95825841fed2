// Two nodes whose clocks disagree: a retry on the other node is a retry, not theft, and the other's tokens are good.

import { beforeAll, expect, it } from 'vitest';
import { ageRotation } from '../support/age-rotation.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { TestService } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import {
  afterSuite,
  becomeFresh,
  countEvents,
  gatewayOf,
  nodeStarter,
  openSession,
  sharedVariables,
  tryRefresh,
} from './nodes.ts';

const GRACE_MS = 10_000;

describeWithServices('two nodes with clocks of their own', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  const installed = Date.now();
  const start = installed + 2 * 3_600_000;
  const clock = new FakeClock(installed);
  const otherClock = new FakeClock(installed);
  let node: TestService;
  let other: TestService;

  beforeAll(async () => {
    const variables = await sharedVariables(later);
    node = await startNode(variables, { clock });
    other = await startNode(variables, { clock: otherClock });
  });

  it('serve a fresh installation, also the one whose clock is a minute behind', async () => {
    otherClock.set(installed - 60_000);
    const { tokens } = await openSession(node);
    expect((await tryRefresh(other.auth(), tokens.refreshToken)).reason).toBe('ok');
  });

  it.each([
    ['a second behind', -1_000],
    ['an hour behind', -3_600_000],
    ['as far ahead as the grace', GRACE_MS],
    ['half as far ahead again', 1.5 * GRACE_MS],
    ['five minutes ahead', 300_000],
    ['five minutes behind', -300_000],
  ])('raise no alarm when the second is %s', async (_name, skew) => {
    clock.set(start);
    otherClock.set(start + skew);
    const { session, tokens } = await openSession(node);
    const first = await tryRefresh(node.auth(), tokens.refreshToken);
    const retry = await tryRefresh(other.auth(), tokens.refreshToken);
    expect(retry).toMatchObject({ reason: 'ok', refreshToken: first.refreshToken });
    expect(await countEvents(node, 'session.refresh_reuse', session.id)).toBe(0);
    // And the chain goes on, from node to node.
    let newest = first.refreshToken ?? '';
    for (let step = 0; step < 6; step += 1) {
      const outcome = await tryRefresh([other, node][step % 2]!.auth(), newest);
      expect(outcome.reason).toBe('ok');
      newest = outcome.refreshToken ?? '';
    }
  });

  it.each([
    ['an hour behind', -3_600_000],
    ['five minutes behind', -300_000],
    ['five minutes ahead', 300_000],
  ])('give a thief no more time on the one that is %s', async (_name, skew) => {
    clock.set(start);
    otherClock.set(start + skew);
    const { session, tokens } = await openSession(node);
    expect((await tryRefresh(node.auth(), tokens.refreshToken)).reason).toBe('ok');
    await ageRotation(node.app.database, session.id, GRACE_MS + 1);
    expect((await tryRefresh(other.auth(), tokens.refreshToken)).reason).toBe('REFRESH_TOKEN_REUSED');
  });

  it('raise no alarm when a clock is set back between a refresh and its retry', async () => {
    clock.set(start);
    const { tokens } = await openSession(node);
    const first = await tryRefresh(node.auth(), tokens.refreshToken);
    clock.advance(-60_000);
    expect((await tryRefresh(node.auth(), tokens.refreshToken)).refreshToken).toBe(first.refreshToken);
  });

  it("take each other's tokens within five seconds of skew, and revocations whatever the skew", async () => {
    clock.set(start);
    otherClock.set(start - 5_000);
    await becomeFresh(node, other);
    const { tokens } = await openSession(node);
    const verdict = await other.auth().validateToken({ token: tokens.accessToken }, gatewayOf(node));
    expect(verdict.active).toBe(true);
    // Revoked on the node whose clock is behind, at a time before the token was issued.
    await other.auth().revokeToken({ token: tokens.refreshToken });
    for (const each of [node, other]) {
      await expect
        .poll(
          async () =>
            (await each.auth().validateToken({ token: tokens.accessToken }, gatewayOf(node))).active,
        )
        .toBe(false);
    }
  });
});

describeWithServices('a node whose clock is off', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);

  it.each([
    ['ahead', 300_000],
    ['behind', -300_000],
  ])(
    'by five minutes %s is not ready, says by how much, and is ready once it agrees',
    async (_name, skewMs) => {
      const clock = new FakeClock(Date.now() + skewMs);
      const node = await startNode({ ...(await sharedVariables(later)), MAX_CLOCK_SKEW: '1m' }, { clock });
      const readiness = async () => {
        const response = await fetch(`${node.httpUrl}/readyz`);
        return { code: response.status, ...((await response.json()) as object) };
      };
      await expect.poll(readiness).toMatchObject({ code: 503, checks: { clock: 'skewed' } });
      expect(Math.abs((node.app.clockSkew.status.aheadMs ?? 0) - skewMs)).toBeLessThan(60_000);
      clock.set(Date.now());
      await expect
        .poll(readiness, { timeout: 10_000 })
        .toMatchObject({ code: 200, checks: { clock: 'right' } });
    },
  );
});
