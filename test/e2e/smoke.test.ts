// A session's life through each protocol.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestService } from '../support/service.ts';
import { bearer, PROTOCOLS, signUp, startTestService } from '../support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('registers, logs in, validates, refreshes, lists, logs out', async () => {
    const auth = service.auth(protocol);
    const user = service.user(protocol);
    const gateway = bearer(service.secrets?.gatewayApiKey ?? '');
    const tokens = await signUp(service, `smoke-${protocol}`);

    const verdict = await auth.validateToken({ token: tokens.accessToken }, gateway);
    expect(verdict).toMatchObject({ active: true, principal: { role: 'user', sessionId: tokens.sessionId } });

    const { tokens: next } = await auth.refreshToken({ refreshToken: tokens.refreshToken });
    expect(next?.sessionId).toBe(tokens.sessionId);
    const { sessions } = await user.listSessions({}, bearer(next?.accessToken ?? ''));
    expect(sessions).toMatchObject([{ id: tokens.sessionId, current: true }]);

    await auth.logout({}, bearer(tokens.accessToken));
    await expect(user.getMe({}, bearer(next?.accessToken ?? ''))).rejects.toThrow('revoked');
    await expect(auth.refreshToken({ refreshToken: next?.refreshToken ?? '' })).rejects.toThrow('has ended');
  });
});
