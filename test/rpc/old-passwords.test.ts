// A password that another system took logs in here, whatever our rules for new ones say, and again on the hash that the first login left.

import { hash } from 'argon2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImportOutcome } from '../../gen/latchkey/v1/user_import_pb.ts';
import { FRAMEWORK_VECTORS } from '../support/framework-vectors.ts';
import { member, type Member } from '../support/members.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { bearer, PROTOCOLS, startTestService, type TestService } from '../support/service.ts';

const OLD = { memoryCost: 64, timeCost: 1, parallelism: 1 };
/** Each breaks a rule for new passwords. */
const OLD_PASSWORDS: ReadonlyArray<readonly [string, string]> = [
  ['in NFD', 'Sésame-öffne-42'.normalize('NFD')],
  ['of 300 characters', `${'x'.repeat(299)}!`],
  ['of 4,096 bytes', 'ü'.repeat(2_048)],
  ['with a tab', 'Tab\tin-the-middle-9'],
  ['with a line feed at its end', 'pasted-from-a-file\n'],
  ['of one letter', 'a'],
  ['of blanks', '   '],
  ['with invisible characters', 'zero\u200Bwidth\u202Emark'],
];

let service: TestService;
let admin: Member;
let count = 0;
beforeAll(async () => {
  service = await startTestService();
  admin = await member(service, 'importer', 'admin');
});
afterAll(() => service.stop());

/** Imports an account as an operator does; its address. */
async function importUser(passwordHash: string): Promise<string> {
  const email = `old-${(count += 1)}@example.com`;
  async function* requests() {
    yield { users: [{ externalId: email, email, passwordHash }] };
  }
  const { results } = await service.admin().importUsers(requests(), admin.options);
  expect(results).toMatchObject([{ outcome: ImportOutcome.CREATED, violations: [] }]);
  return email;
}

const storedHash = async (email: string) => (await service.app.users.findByIdentifier(email))?.passwordHash;

async function logIn(identifier: string, password: string, protocol: (typeof PROTOCOLS)[number] = 'grpc') {
  const { outcome } = await service.auth(protocol).login({ identifier, password });
  if (outcome.case !== 'tokens') throw new Error(`login answered ${outcome.case ?? 'nothing'}`);
  return outcome.value;
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it.each(OLD_PASSWORDS)('an old password %s logs in twice', async (_what, password) => {
    const email = await importUser(await hash(password, OLD));
    expect(
      await refusalOf(service.auth(protocol).login({ identifier: email, password: 'no' })),
    ).toMatchObject({ reason: 'INVALID_CREDENTIALS' });
    await logIn(email, password, protocol);
    const upgraded = await storedHash(email);
    expect(upgraded).toMatch(/^\$argon2id\$v=19\$m=1024,/);
    await logIn(email, password, protocol);
    expect(await storedHash(email)).toBe(upgraded);
  });

  it('an old password changes itself into a new one', async () => {
    const password = 'Tab\tin-the-middle-9';
    const email = await importUser(await hash(password, OLD));
    const { accessToken } = await logIn(email, password, protocol);
    const change = (currentPassword: string, newPassword: string) =>
      service.user(protocol).changePassword({ currentPassword, newPassword }, bearer(accessToken));
    expect(await refusalOf(change(password, 'New\tTab-in-the-middle-9'))).toMatchObject({
      reason: 'VALIDATION_FAILED',
      fields: ['new_password'],
    });
    await change(password, 'Quartz-Loom-77-Vortex?');
    await logIn(email, 'Quartz-Loom-77-Vortex?', protocol);
  });

  it('a password of more than 4,096 bytes is refused, whatever it is made of', async () => {
    for (const password of ['x'.repeat(4_097), 'ü'.repeat(2_049), '☃'.repeat(1_366)]) {
      const refusal = await refusalOf(service.auth(protocol).login({ identifier: 'somebody', password }));
      expect(refusal).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['password'] });
    }
  });
});

it.each(FRAMEWORK_VECTORS)('imported, its owner logs in twice, by $by', async ({ hash: old, password }) => {
  const email = await importUser(old);
  await logIn(email, password);
  const upgraded = await storedHash(email);
  expect(upgraded).toMatch(/^\$argon2id\$v=19\$m=1024,/);
  await logIn(email, password);
  expect(await storedHash(email)).toBe(upgraded);
});

it('a hash that another system disabled is no password', async () => {
  const email = await importUser('!64gh5BuXvPcqqhuIihCbbdGqqL33aAJ0lDq7CMNq');
  expect(await storedHash(email)).toBeUndefined();
  const login = service
    .auth()
    .login({ identifier: email, password: '!64gh5BuXvPcqqhuIihCbbdGqqL33aAJ0lDq7CMNq' });
  expect(await refusalOf(login)).toMatchObject({ reason: 'INVALID_CREDENTIALS' });
});

it('a lone surrogate is no text, and refused', async () => {
  const response = await fetch(`${service.httpUrl}/latchkey.v1.AuthService/Login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"identifier":"somebody","password":"a\\ud800b"}',
  });
  expect(response.status).toBe(400);
});
