// Logins that keep every hashing slot busy hold up no signature: a token that is not cached is verified meanwhile.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { endChild, serveChild, temporaryFolder, type ServingChild } from '../support/child-service.ts';
import { GOOD_PASSWORD } from '../support/service.ts';

const SLOTS = 2;
/** Of each: how long a hash takes grows with both. */
const SLOW_HASH = {
  LATCHKEY_ARGON2_MEMORY_KIB: '262144',
  LATCHKEY_ARGON2_PASSES: '8',
  LATCHKEY_HASHING_SLOTS: String(SLOTS),
};
const OPEN = { LATCHKEY_ANONYMOUS_VALIDATION: 'true', LATCHKEY_RATE_LIMITS: 'off' };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let node: ServingChild;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(async () => {
  await endChild(node);
  await folder.remove();
});

const Tokens = z.object({ tokens: z.object({ accessToken: z.string() }) });

async function call(rpc: string, message: object): Promise<unknown> {
  const response = await fetch(`${node.httpUrl}/latchkey.v1.AuthService/${rpc}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(message),
  });
  return response.json();
}

it('verifies a token before the first of the logins that came earlier is answered', async () => {
  node = await serveChild(folder.path, OPEN);
  await call('Register', { email: 'flood@example.com', password: GOOD_PASSWORD, fullName: 'Test Person' });
  const login = await call('Login', { identifier: 'flood@example.com', password: GOOD_PASSWORD });
  const { accessToken: token } = Tokens.parse(login).tokens;
  await endChild(node);
  // A new process has no token cached.
  node = await serveChild(folder.path, { ...OPEN, ...SLOW_HASH });

  const ended: string[] = [];
  const logins = Array.from({ length: SLOTS }, () =>
    call('Login', { identifier: 'nobody@example.com', password: GOOD_PASSWORD }).then(() => {
      ended.push('login');
    }),
  );
  // By the time this is answered, the logins have been sent and read.
  await call('GetJwks', {});
  expect(await call('ValidateToken', { token })).toMatchObject({ active: true });
  ended.push('validation');
  await Promise.all(logins);
  expect(ended).toEqual(['validation', ...logins.map(() => 'login')]);
});
