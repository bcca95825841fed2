// Runs a whole life with known secrets at the most talkative level, and looks for them in every line that was logged.

import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { endingOf } from '../support/rpc-calls.ts';
import { bearer, PROTOCOLS, startTestService, type TestService } from '../support/service.ts';

const captured = vi.hoisted(() => ({ lines: [] as string[] }));

vi.mock(import('../../src/telemetry/logger.ts'), async (importActual) => {
  const actual = await importActual();
  const destination = { write: (line: string) => void captured.lines.push(line) };
  return { ...actual, createLogger: (level) => actual.createLogger(level, destination) };
});

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ variables: { LOG_LEVEL: 'trace' } });
});
afterAll(() => service.stop());

it('no password, token or key reaches a log line, by any protocol', async () => {
  const secrets = new Set<string>([
    service.secrets?.adminPassword ?? '',
    service.secrets?.gatewayApiKey ?? '',
  ]);
  const keep = (secret: string) => {
    secrets.add(secret);
    return secret;
  };
  const gateway = bearer(service.secrets?.gatewayApiKey ?? '');
  for (const protocol of PROTOCOLS) {
    const [auth, user] = [service.auth(protocol), service.user(protocol)];
    const password = keep(`Secret-Password-42-${protocol}!`);
    const wrong = keep(`Wrong-Password-43-${protocol}!`);
    const email = `${protocol}@example.com`;
    await auth.register({ email, password, fullName: 'A' });
    await endingOf(auth.register({ email, password: keep(`weak-${protocol}`), fullName: 'A' }));
    await endingOf(auth.login({ identifier: email, password: wrong }));
    const { outcome } = await auth.login({ identifier: email, password });
    if (outcome.case !== 'tokens') throw new Error('no tokens');
    const { accessToken, refreshToken } = outcome.value;
    const { tokens } = await auth.refreshToken({ refreshToken: keep(refreshToken) });
    await auth.validateToken({ token: keep(accessToken) }, gateway);
    await auth.validateToken({ token: refreshToken }, gateway);
    await user.getMe({}, bearer(accessToken));
    await endingOf(user.getMe({}, bearer(`${accessToken}x`)));
    await endingOf(user.getMe({}, { headers: { authorization: `Basic ${wrong}` } }));
    await auth.revokeToken({ token: keep(tokens?.refreshToken ?? '') });
    await endingOf(user.getMe({}, bearer(keep(tokens?.accessToken ?? ''))));
    await endingOf(auth.refreshToken({ refreshToken }));
  }
  const log = captured.lines.join('');
  expect(log).toContain('latchkey.v1.AuthService/Login');
  expect(log).toContain('call refused');
  expect(secrets.size).toBeGreaterThan(PROTOCOLS.length * 6);
  for (const secret of secrets) {
    expect(secret).not.toBe('');
    expect(log).not.toContain(secret);
    expect(log).not.toContain(Buffer.from(secret).toString('base64'));
  }
});
