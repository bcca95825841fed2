// A single-use token is valid for its purpose and for no other.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import type { ActionPurpose } from '../../src/domain/action-token/action-token.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { mailedAccounts, NEW_PASSWORD, reasonOf } from '../support/mailed-accounts.ts';
import { startTestService, type bearer, type TestService } from '../support/service.ts';

const MINUTE_MS = 60_000;

let service: TestService;
let mailed: ReturnType<typeof mailedAccounts>;
const clock = new FakeClock(Date.now());
beforeAll(async () => {
  service = await startTestService({ clock, variables: { PUBLIC_URL: 'https://id.example.com/auth' } });
  mailed = mailedAccounts(service, clock);
});
afterAll(() => service.stop());

describe('a token of one purpose', () => {
  const PURPOSES: readonly ActionPurpose[] = [
    'password_reset',
    'invitation',
    'email_verification',
    'email_change',
    'mfa_challenge',
  ];
  const uses = {
    password_reset: (token: string) => service.auth().resetPassword({ token, newPassword: NEW_PASSWORD }),
    email_verification: (token: string) => service.auth().verifyEmail({ token }),
    email_change: (token: string, caller: ReturnType<typeof bearer>) =>
      service.user().confirmEmailChange({ token }, caller),
  };

  it.each(PURPOSES)('%s is no good for any other', async (purpose) => {
    const { id, caller, email } = await mailed.newAccount();
    const tokenId = newId();
    const { text, digest } = service.app.actionTokenCodec.create(purpose, tokenId);
    const [createTime, expireTime] = [clock.now(), clock.now() + MINUTE_MS];
    const payload = { emailKey: email, email };
    await service.app.actionTokens.insert({
      id: tokenId,
      purpose,
      userId: id,
      digest,
      payload,
      createTime,
      expireTime,
    });
    for (const [use, call] of Object.entries(uses)) {
      // An invitation sets a password, as a reset does.
      if (use === purpose || (use === 'password_reset' && purpose === 'invitation')) continue;
      expect(await reasonOf(call(text, caller))).toBe('TOKEN_INVALID');
      // Nor under the other's prefix.
      const [otherPrefix = ''] = service.app.actionTokenCodec
        .create(use as ActionPurpose, newId())
        .text.split('_');
      expect(await reasonOf(call(otherPrefix + text.slice(text.indexOf('_')), caller))).toBe('TOKEN_INVALID');
    }
    expect(await service.app.actionTokens.find(purpose, { id: tokenId, digest })).toBeDefined();
  });

  it.each(Object.keys(uses) as (keyof typeof uses)[])('%s is no good when it is no token', async (use) => {
    const { caller } = await mailed.newAccount();
    for (const text of [
      'x',
      'lkpr_',
      `lkpr_${'A'.repeat(64)}`,
      '\u0000',
      '🔑'.repeat(100),
      'A'.repeat(16_384),
    ]) {
      expect(await reasonOf(uses[use](text, caller))).toBe('TOKEN_INVALID');
    }
  });
});
