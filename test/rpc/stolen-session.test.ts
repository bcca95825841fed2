// What a stolen session must not leave behind: each case was a way once to keep an account whose owner had logged out everywhere.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { byPassword } from '../support/proofs.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { nextEmail, tokenIn } from '../support/mailbox.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import {
  bearer,
  GOOD_PASSWORD,
  signIn,
  signUp,
  startTestService,
  type TestService,
} from '../support/service.ts';
import { challengeOf, enrolTotp, wrongCode } from '../support/totp.ts';

describe('a thief', () => {
  const clock = new FakeClock(Date.now());
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({ clock });
  });
  afterAll(() => service.stop());

  const keyOf = async (accessToken: string, expireInMs?: number) => {
    const { secret } = await service.user().createApiKey(
      {
        displayName: 'stolen',
        scopes: ['account:read', 'account:write'],
        ...(expireInMs === undefined
          ? {}
          : { expireTime: { seconds: BigInt(Math.floor((clock.now() + expireInMs) / 1000)), nanos: 0 } }),
      },
      bearer(accessToken),
    );
    return secret;
  };
  const exchange = async (secret: string) =>
    (await service.auth().exchangeApiKey({}, { headers: { 'x-api-key': secret } })).accessToken;
  const startChange = async (accessToken: string, newEmail: string) => {
    await service.user().startEmailChange({ newEmail, ...byPassword() }, bearer(accessToken));
    return tokenIn(await nextEmail(service, newEmail, /new e-mail address/));
  };

  it('cannot confirm a change of address by an API key', async () => {
    const { accessToken } = await signUp(service, 'keyed');
    const secret = await keyOf(accessToken);
    const token = await startChange(accessToken, 'thief-1@example.com');
    const call = service.user().confirmEmailChange({ token }, bearer(await exchange(secret)));
    expect((await refusalOf(call)).reason).toBe('CREDENTIAL_NOT_ALLOWED');
  });

  it('cannot confirm a change of address that was begun before its owner logged out everywhere', async () => {
    const { accessToken } = await signUp(service, 'everywhere');
    const token = await startChange(accessToken, 'thief-2@example.com');
    await service.auth().logoutAll({}, bearer(accessToken));
    const again = await signIn(service, 'everywhere');
    const call = service.user().confirmEmailChange({ token }, bearer(again.accessToken));
    expect((await refusalOf(call)).reason).toBe('TOKEN_INVALID');
  });

  it('cannot finish a challenge that was issued before its owner logged out everywhere', async () => {
    const { accessToken } = await signUp(service, 'challenged');
    const factor = await enrolTotp(service, accessToken);
    const mfaToken = await challengeOf(service, 'challenged');
    await service.auth().logoutAll({}, bearer(accessToken));
    const call = service.auth().verifyMfa({ mfaToken, factor: { case: 'totpCode', value: factor.code(1) } });
    expect((await refusalOf(call)).reason).toBe('TOKEN_INVALID');
  });

  it('gets no success for the logout of a token without a session', async () => {
    const { accessToken } = await signUp(service, 'no-session');
    const short = await exchange(await keyOf(accessToken));
    expect((await refusalOf(service.auth().logout({}, bearer(short)))).reason).toBe('CREDENTIAL_NOT_ALLOWED');
  });

  it('does not get more guesses at a second factor by changing the password', async () => {
    const { accessToken } = await signUp(service, 'guessed');
    const factor = await enrolTotp(service, accessToken);
    const guess = async (password: string) => {
      const { outcome } = await service.auth().login({ identifier: 'guessed', password });
      const mfaToken = outcome.case === 'mfaChallenge' ? outcome.value.mfaToken : '';
      const value = wrongCode(factor.secret, clock.now());
      return refusalOf(service.auth().verifyMfa({ mfaToken, factor: { case: 'totpCode', value } }));
    };
    for (let time = 1; time <= 4; time += 1)
      expect((await guess(GOOD_PASSWORD)).reason).toBe('MFA_CODE_INVALID');
    const newPassword = 'Another-Horse-43-Staple!';
    await service.user().changePassword({ currentPassword: GOOD_PASSWORD, newPassword }, bearer(accessToken));
    expect((await guess(newPassword)).reason).toBe('MFA_CODE_INVALID');
    const login = service.auth().login({ identifier: 'guessed', password: newPassword });
    expect((await refusalOf(login)).reason).toBe('ACCOUNT_LOCKED');
  });

  it('cannot use an exchanged token when its key has expired', async () => {
    const { accessToken } = await signUp(service, 'expiring');
    const short = await exchange(await keyOf(accessToken, 60_000));
    clock.advance(60_000);
    service.app.revocationIndex.markFresh(clock.now());
    expect((await refusalOf(service.user().getMe({}, bearer(short)))).reason).toBe('TOKEN_EXPIRED');
  });
});
