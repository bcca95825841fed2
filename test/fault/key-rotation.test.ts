// The signing key changes under load on two nodes: no token fails, and unknown kids cause no storm of reads.

import { beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { PUBLICATION_LEAD_MS } from '../../src/domain/keyset/signing-key.ts';
import { maintainSigningKeys } from '../../src/domain/keyset/maintain-signing-keys.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { TestService } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import {
  afterSuite,
  becomeFresh,
  gatewayOf,
  nodeStarter,
  openSession,
  sharedVariables,
  tryRefresh,
} from './nodes.ts';

const ROTATION_MS = 3_600_000;
const Header = z.looseObject({ kid: z.string() });

describeWithServices('two nodes whose signing key changes', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  const clock = new FakeClock(Date.now());
  let node: TestService;
  let other: TestService;

  beforeAll(async () => {
    const variables = { ...(await sharedVariables(later)), SIGNING_KEY_ROTATION: '1h' };
    node = await startNode(variables, { clock });
    other = await startNode(variables, { clock });
  });

  const kidOf = (token: string): string =>
    Header.parse(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())).kid;

  it('validate on either what either signed, before, at and after the change', async () => {
    const [auth, otherAuth] = [node.auth(), other.auth()];
    const { tokens } = await openSession(node);
    let newest = tokens.refreshToken;
    const kids = new Set<string>();
    let steps = 0;

    const step = async (): Promise<void> => {
      await becomeFresh(node, other);
      steps += 1;
      const outcome = await tryRefresh(steps % 2 === 0 ? auth : otherAuth, newest);
      expect(outcome.reason).toBe('ok');
      newest = outcome.refreshToken ?? '';
      const token = outcome.accessToken ?? '';
      kids.add(kidOf(token));
      const verdicts = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? auth : otherAuth).validateToken({ token }, gatewayOf(node)),
        ),
      );
      expect(verdicts.every(({ active }) => active)).toBe(true);
    };

    await step();
    clock.advance(ROTATION_MS - PUBLICATION_LEAD_MS);
    // The job of one node publishes the next key; the other node's has not run since.
    await maintainSigningKeys(node.app);
    await node.app.keyset.reload();
    await step();
    clock.advance(PUBLICATION_LEAD_MS - 1_000);
    await step();
    for (let second = 0; second < 3; second += 1) {
      clock.advance(1_000);
      await step();
    }
    expect(kids.size).toBe(2);
    expect((await node.app.signingKeys.list()).length).toBe(2);
  });

  it('look an unknown kid up at most once in thirty seconds, whatever is presented', async () => {
    const { tokens } = await openSession(node);
    const [header = '', payload = '', signature = ''] = tokens.accessToken.split('.');
    const forgedWith = (kid: string) => {
      const forged = { ...Header.parse(JSON.parse(Buffer.from(header, 'base64url').toString())), kid };
      return [Buffer.from(JSON.stringify(forged)).toString('base64url'), payload, signature].join('.');
    };
    await becomeFresh(node);
    clock.advance(31_000);
    await becomeFresh(node);
    const reload = vi.spyOn(node.app.keyset, 'reload');
    const flood = async (round: number): Promise<void> => {
      const requests = Array.from({ length: 500 }, (_, index) => ({
        token: forgedWith(`${round}-${index}`),
      }));
      const { responses } = await node.auth().batchValidateTokens({ requests }, gatewayOf(node));
      expect(responses.some(({ active }) => active)).toBe(false);
    };
    await flood(1);
    await flood(2);
    clock.advance(4_000);
    await flood(3);
    expect(reload).toHaveBeenCalledTimes(1);
    clock.advance(26_000);
    await becomeFresh(node);
    await flood(4);
    expect(reload).toHaveBeenCalledTimes(2);
  });
});
