// Two nodes on one Postgres and one Redis: what is revoked on one is refused on the other.

import { beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Auth, Held } from './nodes.ts';
import { afterSuite, gatewayOf, nodeStarter, openSession, sharedVariables, note } from './nodes.ts';

const REVOCATIONS = 300;

type Revocation = { readonly name: string; revoke(node: TestService, held: Held): Promise<unknown> };

const REVOCATIONS_OF_EACH_FORM: readonly Revocation[] = [
  {
    name: 'an access token',
    revoke: (node, { tokens }) => node.auth().revokeToken({ token: tokens.accessToken }),
  },
  {
    name: 'a session, by its refresh token',
    revoke: (node, { tokens }) => node.auth().revokeToken({ token: tokens.refreshToken }),
  },
  {
    name: 'a session, by logout',
    revoke: (node, { tokens }) => node.auth().logout({}, bearer(tokens.accessToken)),
  },
  {
    name: 'a session, by its id',
    revoke: (node, { session, tokens }) =>
      node.user().revokeSession({ sessionId: session.id }, bearer(tokens.accessToken)),
  },
  {
    name: 'everything of an account',
    revoke: (node, { tokens }) => node.auth().logoutAll({}, bearer(tokens.accessToken)),
  },
];

describeWithServices('two nodes', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let node: TestService;
  let other: TestService;
  let otherAuth: Auth;

  beforeAll(async () => {
    const variables = await sharedVariables(later);
    node = await startNode(variables);
    other = await startNode(variables);
    otherAuth = other.auth();
  });

  async function isActiveOnOther(accessToken: string): Promise<boolean> {
    return (await otherAuth.validateToken({ token: accessToken }, gatewayOf(node))).active;
  }

  it.each(REVOCATIONS_OF_EACH_FORM)('agree on the revocation of $name', async ({ revoke }) => {
    const held = await openSession(node);
    const bystander = await openSession(node);
    expect(await isActiveOnOther(held.tokens.accessToken)).toBe(true);
    await revoke(node, held);
    const onNode = await node.auth().validateToken({ token: held.tokens.accessToken }, gatewayOf(node));
    expect(onNode.active).toBe(false);
    await eventually(async () => !(await isActiveOnOther(held.tokens.accessToken)));
    expect(await isActiveOnOther(bystander.tokens.accessToken)).toBe(true);
  });

  it('accept what either signed, and refresh where they like', async () => {
    const { tokens } = await openSession(other);
    const { tokens: next } = await node.auth().refreshToken({ refreshToken: tokens.refreshToken });
    expect(await isActiveOnOther(next?.accessToken ?? '')).toBe(true);
    const { tokens: last } = await otherAuth.refreshToken({ refreshToken: next?.refreshToken ?? '' });
    const verdict = await node.auth().validateToken({ token: last?.accessToken ?? '' }, gatewayOf(node));
    expect(verdict.active).toBe(true);
  });

  it(`learn of ${REVOCATIONS} revocations, each in its time`, async () => {
    const auth = node.auth();
    const delays: number[] = [];
    for (let index = 0; index < REVOCATIONS; index += 1) {
      const { tokens } = await openSession(node);
      expect(await isActiveOnOther(tokens.accessToken)).toBe(true);
      await auth.revokeToken({ token: tokens.refreshToken });
      const acknowledged = performance.now();
      await eventually(async () => !(await isActiveOnOther(tokens.accessToken)), { intervalMs: 0 });
      delays.push(performance.now() - acknowledged);
    }
    delays.sort((left, right) => left - right);
    const at = (share: number) => (delays[Math.ceil(delays.length * share) - 1] ?? 0).toFixed(1);
    note(`refused on the other node, after the answer: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
    expect(delays).toHaveLength(REVOCATIONS);
  });
});
