// The second factor over every protocol: a person's whole way, bad input, step-up, and what a challenge is not good for.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MfaFactor } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { textOfPng, textOfSvg } from '../support/qr-pictures.ts';
import { byPassword } from '../support/proofs.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { MINUTE_MS } from '../support/samples.ts';
import {
  bearer,
  GOOD_PASSWORD,
  PROTOCOLS,
  signIn,
  signUp,
  startTestService,
  type Protocol,
  type TestService,
} from '../support/service.ts';
import { challengeOf, enrolTotp, signInWithTotp, STEP_MS, totpCode, wrongCode } from '../support/totp.ts';

const clock = new FakeClock();
let service: TestService;
let gateway: { readonly headers: { readonly 'x-api-key': string } };
beforeAll(async () => {
  service = await startTestService({ clock });
  gateway = { headers: { 'x-api-key': service.secrets?.gatewayApiKey ?? '' } };
});
afterAll(() => service.stop());
/** Lets time pass; what the node knows of revocations is as fresh as before. */
function pass(ms: number): void {
  clock.advance(ms);
  service.app.revocationIndex.markFresh(clock.now());
}
// Each test has the windows of limits for itself.
beforeEach(() => pass(5 * MINUTE_MS));

let people = 0;
async function newcomer() {
  people += 1;
  const name = `person-${people}`;
  return { name, ...(await signUp(service, name)) };
}
async function enrolled() {
  const someone = await newcomer();
  return { ...someone, factor: await enrolTotp(service, someone.accessToken) };
}
const isActive = async (token: string) => (await service.auth().validateToken({ token }, gateway)).active;
const totp = (value: string) => ({ case: 'totpCode', value }) as const;
const backup = (value: string) => ({ case: 'backupCode', value }) as const;

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('a person turns it on, logs in by code and by backup code, and turns it off', async () => {
    const { name, accessToken } = await newcomer();
    const other = await signIn(service, name);
    const [auth, user] = [service.auth(protocol), service.user(protocol)];
    const caller = bearer(accessToken);

    const { secret, otpauthUri, qrPng, qrSvg } = await user.enrollTotp(byPassword(), caller);
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    const uri = new URL(otpauthUri);
    expect(decodeURIComponent(uri.pathname)).toBe(`/latchkey.test:${name}@example.com`);
    expect(Object.fromEntries(uri.searchParams)).toEqual({ secret, issuer: 'latchkey.test' });
    expect(textOfPng(qrPng)).toBe(otpauthUri);
    expect(textOfSvg(qrSvg)).toBe(otpauthUri);

    expect(await isActive(other.accessToken)).toBe(true);
    const { backupCodes } = await user.confirmTotp({ code: totpCode(secret, clock.now()) }, caller);
    expect(backupCodes).toHaveLength(10);
    expect(await isActive(other.accessToken)).toBe(false);
    expect((await user.getMe({}, caller)).user).toMatchObject({ mfaEnabled: true });
    expect((await user.listSessions({}, caller)).sessions).toMatchObject([{ current: true }]);

    const { outcome } = await auth.login({ identifier: name, password: GOOD_PASSWORD });
    expect(outcome).toMatchObject({
      case: 'mfaChallenge',
      value: { factors: [MfaFactor.TOTP, MfaFactor.BACKUP_CODE], expiresIn: { seconds: 300n } },
    });
    const mfaToken = outcome.case === 'mfaChallenge' ? outcome.value.mfaToken : '';
    const code = totpCode(secret, clock.now() + STEP_MS);
    const { tokens } = await auth.verifyMfa({
      mfaToken,
      factor: totp(`${code.slice(0, 3)} ${code.slice(3)}`),
    });
    const verdict = await auth.validateToken({ token: tokens?.accessToken ?? '' }, gateway);
    expect(verdict.principal?.amr).toEqual(['pwd', 'otp', 'mfa']);

    const spelling = (backupCodes[0] ?? '')
      .toLowerCase()
      .replace('-', ' ')
      .replaceAll('0', 'o')
      .replaceAll('1', 'l');
    const second = await challengeOf(service, name, protocol);
    expect((await auth.verifyMfa({ mfaToken: second, factor: backup(spelling) })).tokens).toBeDefined();
    const third = await challengeOf(service, name, protocol);
    for (const spelt of [spelling, backupCodes[0] ?? ''])
      expect(await refusalOf(auth.verifyMfa({ mfaToken: third, factor: backup(spelt) }))).toMatchObject({
        code: 'Unauthenticated',
        reason: 'MFA_CODE_INVALID',
      });

    const again = await user.regenerateBackupCodes(byPassword(), caller);
    expect(again.backupCodes).toHaveLength(10);
    const old = auth.verifyMfa({ mfaToken: third, factor: backup(backupCodes[1] ?? '') });
    expect(await refusalOf(old)).toMatchObject({ reason: 'MFA_CODE_INVALID' });
    await auth.verifyMfa({ mfaToken: third, factor: backup(again.backupCodes[9] ?? '') });

    await user.disableTotp(byPassword(), caller);
    expect((await user.getMe({}, caller)).user).toMatchObject({ mfaEnabled: false });
    expect((await signIn(service, name)).accessToken).not.toBe('');
  });

  it.each([
    ['nothing', ''],
    ['blanks', '   '],
    ['five digits', '12345'],
    ['seven digits', '1234567'],
    ['letters', 'abcdef'],
    ['digits of another script', '١٢٣٤٥٦'],
    ['a sign', '-12345'],
    ['a line feed', '123456\n'],
    ['a zero-width space', '123\u200B456'],
    ['a hundred kilobytes', '1'.repeat(100_000)],
  ])('a code that is %s is refused by its field, and is no guess', async (_what, value) => {
    const { headers, mfaToken } = await victim(protocol);
    const [auth, user] = [service.auth(protocol), service.user(protocol)];
    const bad = (field: string) => ({
      code: 'InvalidArgument',
      reason: 'VALIDATION_FAILED',
      fields: [field],
    });
    for (let round = 0; round < 3; round += 1) {
      expect(await refusalOf(user.confirmTotp({ code: value }, { headers }))).toMatchObject(bad('code'));
      const byCode = auth.verifyMfa({ mfaToken, factor: totp(value) });
      expect(await refusalOf(byCode)).toMatchObject(bad('totp_code'));
      const byBackup = auth.verifyMfa({ mfaToken, factor: backup(value) });
      expect(await refusalOf(byBackup)).toMatchObject(bad('backup_code'));
    }
    expect(await failures()).toBe(before);
  });

  it('every field that is missing is named', async () => {
    expect(await refusalOf(service.auth(protocol).verifyMfa({}))).toMatchObject({
      code: 'InvalidArgument',
      fields: ['mfa_token', 'factor'],
    });
  });

  it('a lock says how long it lasts, by code as by password', async () => {
    const { name, factor } = await enrolled();
    const auth = service.auth(protocol);
    const mfaToken = await challengeOf(service, name, protocol);
    const wrong = totp(wrongCode(factor.secret, clock.now()));
    for (let guess = 0; guess < 5; guess += 1)
      expect(await refusalOf(auth.verifyMfa({ mfaToken, factor: wrong }))).toMatchObject({
        reason: 'MFA_CODE_INVALID',
      });
    const locked = { code: 'ResourceExhausted', reason: 'ACCOUNT_LOCKED', retryAfterSeconds: 900 };
    expect(await refusalOf(auth.verifyMfa({ mfaToken, factor: totp(factor.code(1)) }))).toMatchObject(locked);
    for (const identifier of [name, `${name}@example.com`])
      expect(await refusalOf(auth.login({ identifier, password: GOOD_PASSWORD }))).toMatchObject(locked);
  });
});

let cached: { readonly accessToken: string; readonly name: string } | undefined;
let before = 0;
/** One account for all bad input, with a challenge of its own for each. */
async function victim(protocol: Protocol) {
  if (cached === undefined) {
    const { name, factor } = await enrolled();
    cached = { name, ...(await signInWithTotp(service, name, factor.code(1))) };
  }
  const login = await newcomer();
  before = await failures();
  const mfaToken = await challengeOf(service, cached.name, protocol);
  return { headers: bearer(login.accessToken).headers, mfaToken };
}

async function failures(): Promise<number> {
  const rows = await service.app.database.tables.selectFrom('lockouts').select('failures').execute();
  return rows.reduce((sum, row) => sum + row.failures, 0);
}

it('a login more than five minutes old must be made again', async () => {
  const { accessToken } = await newcomer();
  pass(5 * MINUTE_MS + 1_000);
  const [user, caller] = [service.user(), bearer(accessToken)];
  const calls = [
    user.enrollTotp(byPassword(), caller),
    user.confirmTotp({ code: '123456' }, caller),
    user.disableTotp(byPassword(), caller),
    user.regenerateBackupCodes(byPassword(), caller),
  ];
  for (const refusal of await Promise.all(calls.map(refusalOf)))
    expect(refusal).toMatchObject({ code: 'Unauthenticated', reason: 'STEP_UP_REQUIRED' });
});

it('calls out of their order are refused by reason', async () => {
  const { accessToken } = await newcomer();
  const [user, caller] = [service.user(), bearer(accessToken)];
  const off = { code: 'FailedPrecondition', reason: 'MFA_NOT_ENABLED' };
  expect(await refusalOf(user.disableTotp(byPassword(), caller))).toMatchObject(off);
  expect(await refusalOf(user.regenerateBackupCodes(byPassword(), caller))).toMatchObject(off);
  const notPending = { code: 'FailedPrecondition', reason: 'MFA_NOT_PENDING' };
  expect(await refusalOf(user.confirmTotp({ code: '123456' }, caller))).toMatchObject(notPending);
  await enrolTotp(service, accessToken);
  const on = { code: 'FailedPrecondition', reason: 'MFA_ALREADY_ENABLED' };
  expect(await refusalOf(user.enrollTotp(byPassword(), caller))).toMatchObject(on);
  expect(await refusalOf(user.confirmTotp({ code: '123456' }, caller))).toMatchObject(on);
});

it('the password alone yields nothing that any call takes', async () => {
  const { name, factor } = await enrolled();
  const mfaToken = await challengeOf(service, name);
  const [auth, user] = [service.auth(), service.user()];
  const invalid = { code: 'Unauthenticated', reason: 'TOKEN_INVALID' };
  for (const headers of [bearer(mfaToken).headers, { 'x-api-key': mfaToken }]) {
    const calls = [
      user.getMe({}, { headers }),
      user.listSessions({}, { headers }),
      user.enrollTotp(byPassword(), { headers }),
      user.disableTotp(byPassword(), { headers }),
      user.regenerateBackupCodes(byPassword(), { headers }),
      auth.logoutAll({}, { headers }),
    ];
    for (const refusal of await Promise.all(calls.map(refusalOf))) expect(refusal).toMatchObject(invalid);
  }
  expect(await refusalOf(auth.refreshToken({ refreshToken: mfaToken }))).toMatchObject(invalid);
  expect(await isActive(mfaToken)).toBe(false);
  for (const purpose of ['password_reset', 'email_verification', 'email_change'] as const)
    expect(service.app.actionTokenCodec.read(purpose, mfaToken)).toBeUndefined();
  await auth.revokeToken({ token: mfaToken });
  expect((await auth.verifyMfa({ mfaToken, factor: totp(factor.code(1)) })).tokens).toBeDefined();
});

it('nothing but a challenge is a challenge', async () => {
  const { name, factor, ...tokens } = await enrolled();
  await challengeOf(service, name);
  const { text } = service.app.actionTokenCodec.create('mfa_challenge', tokens.sessionId);
  for (const mfaToken of [tokens.accessToken, tokens.refreshToken, gateway.headers['x-api-key'], text, 'a'])
    expect(
      await refusalOf(service.auth().verifyMfa({ mfaToken, factor: totp(factor.code(1)) })),
    ).toMatchObject({ code: 'Unauthenticated', reason: 'TOKEN_INVALID' });
});

it('50 codes at once open one session', async () => {
  const { name, factor } = await enrolled();
  const challenges = await Promise.all(Array.from({ length: 50 }, () => challengeOf(service, name)));
  const calls = challenges.map((mfaToken) =>
    service.auth().verifyMfa({ mfaToken, factor: totp(factor.code(1)) }),
  );
  const settled = await Promise.allSettled(calls);
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  pass(STEP_MS);
  expect(await signInWithTotp(service, name, factor.code(1))).toBeDefined();
});
