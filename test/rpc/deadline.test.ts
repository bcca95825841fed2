// Deadlines: the work behind a call that exceeds its deadline is aborted, however late it looks.

import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Call } from '../../src/edge/pipeline/call.ts';
import type { TestService } from '../support/service.ts';
import { GOOD_PASSWORD, startTestService } from '../support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ variables: { ARGON2_MEMORY_KIB: '262144', ARGON2_PASSES: '6' } });
});
afterAll(() => service.stop());

it('a signal that is looked at after the call was aborted is aborted', () => {
  const transport = {
    headerValues: () => [],
    takesCookies: false,
    timeoutMs: undefined,
    peerAddress: '',
    onCancelled: () => undefined,
  };
  const call = new Call('latchkey.v1.UserService/GetMe', transport, {
    clientAddress: () => '',
    cookieOrigins: new Set(),
  });
  call.abort();
  expect(call.signal.aborted).toBe(true);
});

it.each(['1', '20'])('over Connect, a timeout of %s ms is kept, and is called one', async (timeout) => {
  const response = await fetch(`${service.httpUrl}/latchkey.v1.AuthService/Login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'connect-timeout-ms': timeout },
    body: JSON.stringify({ identifier: 'nobody', password: GOOD_PASSWORD }),
  });
  expect(await response.json()).toMatchObject({ code: 'deadline_exceeded' });
  expect(response.status).toBe(504);
});

it('over gRPC too', async () => {
  const login = service.auth().login({ identifier: 'nobody', password: GOOD_PASSWORD }, { timeoutMs: 20 });
  await expect(login).rejects.toSatisfy((error) => ConnectError.from(error).code === Code.DeadlineExceeded);
});
