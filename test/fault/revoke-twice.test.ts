// RevokeToken of the same token many times, one after the other and at once, on every node: written, audited and published once.

import { beforeAll, expect, it, vi } from 'vitest';
import { issueApiKey } from '../support/forged-tokens.ts';
import { eventually } from '../support/eventually.ts';
import type { TestService } from '../support/service.ts';
import { countEvents, describeOnEveryBackend, openSession } from './nodes.ts';

const AT_ONCE = 12;

describeOnEveryBackend('a token that is revoked again and again', (openNodes) => {
  let nodes: readonly TestService[];
  beforeAll(async () => {
    nodes = await openNodes();
  });

  async function expectOnce(text: string, kind: string, targetId: string): Promise<void> {
    const published = nodes.map((node) => vi.spyOn(node.app.revocationChannel, 'publish'));
    const transacted = nodes.map((node) => vi.spyOn(node.app, 'transact'));
    const countPublished = () =>
      [...new Set(published)]
        .flatMap((spy) => spy.mock.calls)
        .flatMap(([revocations]) => revocations)
        .filter(({ id }) => id === targetId).length;
    const revokeAll = (times: number) =>
      Promise.all(
        nodes.flatMap((node) =>
          Array.from({ length: times }, () => node.auth().revokeToken({ token: text })),
        ),
      );
    await revokeAll(AT_ONCE);
    await eventually(() =>
      nodes.every((node) =>
        [...node.app.revocationIndex.livePages()].flat().some(({ id }) => id === targetId),
      ),
    );
    transacted.forEach((spy) => spy.mockClear());
    await revokeAll(AT_ONCE);
    expect(countPublished()).toBe(1);
    expect(await countEvents(nodes[0]!, kind, targetId)).toBe(1);
    // Later ones do not even ask the database.
    expect(transacted.flatMap((spy) => spy.mock.calls)).toEqual([]);
    [...published, ...transacted].forEach((spy) => spy.mockRestore());
  }

  it('by an access token', async () => {
    const { tokens } = await openSession(nodes[0]!);
    const verified = await nodes[0]!.app.accessTokenVerifier.verify(tokens.accessToken);
    if ('fault' in verified) throw new Error(verified.fault);
    await expectOnce(tokens.accessToken, 'token.revoke', verified.claims.tokenId);
  });

  it('by a refresh token', async () => {
    const { session, tokens } = await openSession(nodes[0]!);
    await expectOnce(tokens.refreshToken, 'token.revoke', session.id);
  });

  it('by an API key', async () => {
    const { id, text } = await issueApiKey(nodes[0]!.app, ['users:read']);
    await expectOnce(text, 'api_key.revoke', id);
  });
});
