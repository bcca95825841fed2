// What of an account's API keys outlives the end of its sessions: what was asked to, and nothing else.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FakeClock } from '../support/fake-clock.ts';
import { mailedAccounts, NEW_PASSWORD, reasonOf } from '../support/mailed-accounts.ts';
import type { TestService } from '../support/service.ts';
import { bearer, PROTOCOLS, startTestService } from '../support/service.ts';

const clock = new FakeClock(Date.now());
let service: TestService;
let accounts: ReturnType<typeof mailedAccounts>;
beforeAll(async () => {
  service = await startTestService({ clock });
  accounts = mailedAccounts(service, clock);
});
afterAll(() => service.stop());

const exchange = (secret: string) => service.auth().exchangeApiKey({}, { headers: { 'x-api-key': secret } });
const keyed = async () => {
  const account = await accounts.newAccount();
  await accounts.setVerified(account.id);
  const { secret } = await service
    .user()
    .createApiKey({ displayName: 'job', scopes: ['account:read'] }, account.caller);
  const { accessToken: short } = await exchange(secret);
  return { ...account, secret, short };
};
const detailsOf = async (id: string, kind: string) =>
  (await accounts.eventsOf(id, kind)).map(({ details }) => details);

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('a reset ends them with every token exchanged for them', async () => {
    const { id, email, secret, short } = await keyed();
    const token = await accounts.resetTokenFor(email);
    await service.auth(protocol).resetPassword({ token, newPassword: NEW_PASSWORD });
    expect(await reasonOf(exchange(secret))).toBe('TOKEN_REVOKED');
    expect(await reasonOf(service.user().getMe({}, bearer(short)))).toBe('TOKEN_REVOKED');
    expect(await detailsOf(id, 'account.password_reset')).toEqual([{ api_keys: 'ended' }]);
  });

  it('a reset that is to keep them ends the exchanged tokens alone', async () => {
    const { id, email, secret, short } = await keyed();
    const token = await accounts.resetTokenFor(email);
    await service.auth(protocol).resetPassword({ token, newPassword: NEW_PASSWORD, keepApiKeys: true });
    expect(await reasonOf(service.user().getMe({}, bearer(short)))).toBe('TOKEN_REVOKED');
    await exchange(secret);
    expect(await detailsOf(id, 'account.password_reset')).toEqual([null]);
  });

  it('LogoutAll ends them where asked', async () => {
    const [kept, ended] = [await keyed(), await keyed()];
    await service.auth(protocol).logoutAll({}, kept.caller);
    await service.auth(protocol).logoutAll({ revokeApiKeys: true }, ended.caller);
    await exchange(kept.secret);
    expect(await reasonOf(exchange(ended.secret))).toBe('TOKEN_REVOKED');
    expect(await detailsOf(ended.id, 'session.logout_all')).toEqual([{ api_keys: 'ended' }]);
    expect(await detailsOf(kept.id, 'session.logout_all')).toEqual([null]);
  });
});
