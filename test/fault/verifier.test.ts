// Verifiers over two nodes: nodes come and go, keys change under load, and nothing good is refused, nothing revoked accepted.

import { beforeAll, expect, it } from 'vitest';
import { PUBLICATION_LEAD_MS } from '../../src/domain/keyset/signing-key.ts';
import { maintainSigningKeys } from '../../src/domain/keyset/maintain-signing-keys.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { issueApiKey } from '../support/forged-tokens.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import { optionsFor, verifierMaker, wordOf } from '../support/verifiers.ts';
import type { Variables } from './nodes.ts';
import { afterSuite, becomeFresh, nodeStarter, openSession, sharedVariables, tally } from './nodes.ts';

const ROTATION_MS = 3_600_000;

const TOKEN_LIFE_MS = 15 * 60_000;

describeWithServices('a verifier over two nodes', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  const makeVerifier = verifierMaker();
  const clock = new FakeClock(Date.now());
  let variables: Variables;
  let node: TestService;
  let other: TestService;
  let apiKey: string;

  beforeAll(async () => {
    variables = { ...(await sharedVariables(later)), SIGNING_KEY_ROTATION: '1h' };
    node = await startNode(variables, { clock });
    other = await startNode(variables, { clock });
    apiKey = (await issueApiKey(node.app, ['tokens:validate'])).text;
  });

  it('goes over to the other node when one stops, and misses nothing that was revoked meanwhile', async () => {
    const mortal = await startNode(variables, { clock });
    const verifier = await makeVerifier({
      ...optionsFor(other),
      revocations: [mortal.grpcUrl, other.grpcUrl],
      apiKey,
      clock,
    });
    const held = await Promise.all(Array.from({ length: 20 }, () => openSession(node)));
    const bystander = await openSession(node);
    const words = () =>
      Promise.all(held.map(async ({ tokens }) => wordOf(await verifier.verify(tokens.accessToken))));
    expect(tally(await words())).toEqual({ accepted: 20 });
    const stopping = mortal.running.stop();
    for (const { tokens } of held) await node.auth().logout({}, bearer(tokens.accessToken));
    await stopping;
    await eventually(async () => tally(await words())['refused revoked'] === 20);
    expect(wordOf(await verifier.verify(bystander.tokens.accessToken))).toBe('accepted');
  });

  it('verifies without one failure while the signing key changes under load', async () => {
    const verifier = await makeVerifier({ ...optionsFor(node), apiKey, clock });
    const words: string[] = [];
    const kids = new Set<string>();
    const over = new AbortController();
    const load = Array.from({ length: 4 }, async (_, lane) => {
      while (!over.signal.aborted) {
        const openedAt = clock.now();
        const { tokens } = await openSession(lane % 2 === 0 ? node : other);
        const verdict = await verifier.verify(tokens.accessToken);
        // The great step of the clock came in between, and the token is days old.
        if (clock.now() - openedAt >= TOKEN_LIFE_MS) continue;
        // A step of the clock makes everyone's knowledge look old until the next heartbeat: not what this test is about.
        if (verdict.outcome !== 'unavailable') words.push(wordOf(verdict));
        if (verdict.outcome === 'accepted') kids.add(verdict.token.keyId);
      }
    });
    const maintain = async () => {
      for (const at of [node, other]) {
        await maintainSigningKeys(at.app);
        await at.app.keyset.reload();
      }
    };
    const goOn = async () => {
      await becomeFresh(node, other);
      await eventually(() => verifier.isFresh());
      const { length } = words;
      await eventually(() => words.length > length + 20);
    };
    await goOn();
    clock.advance(ROTATION_MS - PUBLICATION_LEAD_MS);
    await maintain();
    await goOn();
    for (let step = 0; step < 12; step += 1) {
      clock.advance(60_000);
      await goOn();
    }
    await maintain();
    await goOn();
    over.abort();
    await Promise.all(load);
    expect(kids.size).toBe(2);
    expect(Object.keys(tally(words))).toEqual(['accepted']);
  });
});
