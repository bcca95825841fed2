// A login with a hash from elsewhere: the right password replaces it, a wrong one does not.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { sampleUser } from '../support/samples.ts';
import { CHEAP_VECTORS } from '../support/legacy-vectors.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { bearer, startTestService, type TestService } from '../support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

async function importUser(passwordHash: string) {
  const user = sampleUser({ passwordHash, createTime: service.app.clock.now() });
  await service.app.users.insert(user);
  return user.email.text;
}
const login = (identifier: string, password: string) => service.auth().login({ identifier, password });
const storedHash = async (email: string) =>
  (await service.app.users.findByIdentifier(email.toLowerCase()))?.passwordHash ?? '';

it.each(CHEAP_VECTORS)('by $by: $hash', async ({ hash, password }) => {
  const email = await importUser(hash);
  expect(await refusalOf(login(email, `${password}x`))).toMatchObject({ reason: 'INVALID_CREDENTIALS' });
  expect(await storedHash(email)).toBe(hash);
  await login(email, password);
  const upgraded = await storedHash(email);
  expect(upgraded).toMatch(/^\$argon2id\$v=19\$/);
  await login(email, password);
  expect(await storedHash(email)).toBe(upgraded);
  expect(await refusalOf(login(email, `${password}x`))).toMatchObject({ reason: 'INVALID_CREDENTIALS' });
});

it('many logins at once replace it once, and each is accepted or refused', async () => {
  const [{ hash, password }] = CHEAP_VECTORS as [(typeof CHEAP_VECTORS)[number]];
  const email = await importUser(hash);
  const logins = await Promise.allSettled(Array.from({ length: 20 }, () => login(email, password)));
  expect(logins.filter(({ status }) => status === 'fulfilled')).not.toEqual([]);
  expect(await storedHash(email)).toMatch(/^\$argon2id\$/);
  await login(email, password);
});

it.each(['$2b$31$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS', '$argon2id$sample', 'nonsense', ''])(
  'a hash that is none or costs too much admits no login, and is no fault: %s',
  async (hash) => {
    const email = await importUser(hash);
    expect(await refusalOf(login(email, 'password'))).toMatchObject({
      code: 'Unauthenticated',
      reason: 'INVALID_CREDENTIALS',
    });
    expect(await storedHash(email)).toBe(hash);
  },
);

it('a password from elsewhere can be changed without a login in between', async () => {
  const [{ hash, password }] = CHEAP_VECTORS as [(typeof CHEAP_VECTORS)[number]];
  const email = await importUser(hash);
  const { outcome } = await login(email, password);
  if (outcome.case !== 'tokens') throw new Error('no tokens');
  const users = service.app.database.tables.updateTable('users');
  await users.set({ password_hash: hash }).where('email', '=', email).execute();
  const newPassword = 'Quartz-Loom-77-Vortex?';
  await service
    .user()
    .changePassword({ currentPassword: password, newPassword }, bearer(outcome.value.accessToken));
  await login(email, newPassword);
});
