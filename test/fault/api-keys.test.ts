// API keys on two nodes: a key that ends on one ends on the other, in time; what both count adds up.

import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { firstAdministrator } from '../support/members.ts';
import { sampleApiKey } from '../support/samples.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import type { OpenNodes } from './nodes.ts';
import { becomeFresh, describeOnEveryBackend, openSession, outcomeOf, tally } from './nodes.ts';

describeOnEveryBackend('an API key', (openNodes: OpenNodes) => {
  const clock = new FakeClock(Date.now());
  let node: TestService;
  let other: TestService;
  beforeAll(async () => {
    [node, other] = await openNodes({ clock });
  });

  const exchange = (at: TestService, secret: string) => at.auth().exchangeApiKey({}, bearer(secret));
  /** A new key that both nodes have cached, and its token from each. */
  async function heldKey() {
    const { tokens } = await openSession(node);
    const headers = bearer(tokens.accessToken);
    const { apiKey, secret } = await node
      .user()
      .createApiKey({ displayName: 'A', scopes: ['account:read'] }, headers);
    const exchanged = [await exchange(node, secret), await exchange(other, secret)];
    return { id: apiKey?.id ?? '', secret, headers, tokens: exchanged.map(({ accessToken }) => accessToken) };
  }
  const isDeadOn = async (at: TestService, secret: string, tokens: readonly string[]) => {
    const outcomes = await Promise.all([
      outcomeOf(exchange(at, secret)),
      ...tokens.map((token) => outcomeOf(at.user().getMe({}, bearer(token)))),
    ]);
    return outcomes.every((outcome) => outcome === 'TOKEN_REVOKED');
  };

  it('that is revoked on one node is refused on the other, with its tokens', async () => {
    const { id, secret, headers, tokens } = await heldKey();
    await node.user().revokeApiKey({ apiKeyId: id }, headers);
    expect(await isDeadOn(node, secret, tokens)).toBe(true);
    await eventually(() => isDeadOn(other, secret, tokens));
  });

  it('of a service that is revoked on one node is refused on the other, with its tokens', async () => {
    const { options } = await firstAdministrator(node);
    const account = { name: 'nightly', scopes: ['service_accounts:read'] };
    const { serviceAccount } = await node.admin().createServiceAccount(account, options);
    const newKey = (at: TestService) =>
      at
        .admin()
        .createServiceApiKey({ serviceAccountId: serviceAccount?.id ?? '', displayName: 'A' }, options);
    const { apiKey, secret } = await newKey(node);
    const tokens = [await exchange(node, secret), await exchange(other, secret)].map(
      ({ accessToken }) => accessToken,
    );
    const listing = (at: TestService, token: string) =>
      outcomeOf(at.admin().listServiceAccounts({}, bearer(token)));
    for (const token of tokens) expect(await listing(other, token)).toBe('ok');
    await node.admin().revokeServiceApiKey({ apiKeyId: apiKey?.id ?? '' }, options);
    const isDead = async (at: TestService) => {
      const outcomes = [
        await outcomeOf(exchange(at, secret)),
        ...(await Promise.all(tokens.map((token) => listing(at, token)))),
      ];
      return outcomes.every((outcome) => outcome === 'TOKEN_REVOKED');
    };
    expect(await isDead(node)).toBe(true);
    await eventually(() => isDead(other));

    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_, index) => outcomeOf(newKey(index % 2 === 0 ? node : other))),
    );
    expect(tally(outcomes)).toEqual({ ok: 50, API_KEY_LIMIT: 10 });
  });

  it('that was rotated on one node dies on the other when its overlap ends, with its tokens', async () => {
    const { id, secret, headers, tokens } = await heldKey();
    await node.user().rotateApiKey({ apiKeyId: id, overlap: durationFromMs(1_500) }, headers);
    // The other node has the revocation when the one behind it has come.
    const later = await heldKey();
    await node.user().revokeApiKey({ apiKeyId: later.id }, later.headers);
    await eventually(() => isDeadOn(other, later.secret, []));
    clock.advance(1_499);
    await exchange(other, secret);
    for (const token of tokens) await other.user().getMe({}, bearer(token));
    clock.advance(1);
    expect(await isDeadOn(other, secret, tokens)).toBe(true);
    expect(await isDeadOn(node, secret, tokens)).toBe(true);
    await becomeFresh(node, other);
  });

  it('is one of 50, however many are asked for at once on whichever node', async () => {
    const { user, tokens } = await openSession(node);
    const headers = bearer(tokens.accessToken);
    const keys = Array.from({ length: 48 }, () => sampleApiKey(user.id));
    await Promise.all(keys.map((key) => node.app.apiKeys.insert(key)));
    const users = [node.user(), other.user()];
    const attempt = (index: number) => {
      const service = users[index % 2] ?? node.user();
      const apiKeyId = keys[index % keys.length]?.id ?? '';
      if (index % 4 < 2) return service.rotateApiKey({ apiKeyId }, headers);
      return service.createApiKey({ displayName: 'A', scopes: ['account:read'] }, headers);
    };
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_item, index) => outcomeOf(attempt(index))),
    );
    expect(tally(outcomes)).toEqual({ ok: 2, API_KEY_LIMIT: 58 });
    expect((await node.user().listApiKeys({ pageSize: 100 }, headers)).apiKeys).toHaveLength(50);
  });

  it('that many rotate at once without overlap has one successor', async () => {
    const { id, headers } = await heldKey();
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_item, index) =>
        outcomeOf(
          (index % 2 === 0 ? node : other)
            .user()
            .rotateApiKey({ apiKeyId: id, overlap: durationFromMs(0) }, headers),
        ),
      ),
    );
    expect(tally(outcomes)).toEqual({ ok: 1, API_KEY_NOT_FOUND: 29 });
  });

  it('is counted on both', async () => {
    const { id, secret, headers } = await heldKey();
    await exchange(other, secret);
    await Promise.all([node.app.apiKeyUsage.flush(), other.app.apiKeyUsage.flush()]);
    const { apiKeys } = await node.user().listApiKeys({}, headers);
    expect(apiKeys.find((key) => key.id === id)?.useCount).toBe(3n);
  });

  it('is counted also by a node that stops', async () => {
    const [stopping, staying] = await openNodes();
    const { tokens } = await openSession(stopping);
    const headers = bearer(tokens.accessToken);
    const { apiKey, secret } = await stopping
      .user()
      .createApiKey({ displayName: 'A', scopes: ['account:read'] }, headers);
    await exchange(stopping, secret);
    await stopping.running.stop();
    const found = await staying.app.ownApiKeys.list({
      ownerId: apiKey?.ownerId ?? '',
      before: undefined,
      limit: 1,
    });
    expect(found[0]?.useCount).toBe(1n);
  });
});
