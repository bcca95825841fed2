// What a stolen session alone cannot do: it takes the password or a code as well, whatever the age of the login.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { FakeClock } from '../support/fake-clock.ts';
import { mailedAccounts, reasonOf } from '../support/mailed-accounts.ts';
import { byPassword, byTotp } from '../support/proofs.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import type { Protocol, TestService } from '../support/service.ts';
import { PROTOCOLS, startTestService } from '../support/service.ts';
import { enrolTotp, wrongCode } from '../support/totp.ts';

const WRONG = 'Wrong-Horse-42-Staple!';
const NOTHING = {};

const clock = new FakeClock(Date.now());
let service: TestService;
let accounts: ReturnType<typeof mailedAccounts>;
beforeAll(async () => {
  service = await startTestService({ clock });
  accounts = mailedAccounts(service, clock);
});
afterAll(() => service.stop());
beforeEach(() => accounts.advance(60_000));

type Request = Partial<ReturnType<typeof byPassword>> | ReturnType<typeof byTotp>;
type Account = Awaited<ReturnType<typeof accounts.newAccount>>;

const ACTS = [
  {
    name: 'DisableTotp',
    kind: 'mfa.disable',
    act: (protocol: Protocol, { caller }: Account, request: Request) =>
      service.user(protocol).disableTotp(request, caller),
  },
  {
    name: 'RegenerateBackupCodes',
    kind: 'mfa.backup_codes',
    act: (protocol: Protocol, { caller }: Account, request: Request) =>
      service.user(protocol).regenerateBackupCodes(request, caller),
  },
  {
    name: 'DeleteMe',
    kind: 'account.delete',
    act: (protocol: Protocol, { caller }: Account, request: Request) =>
      service.user(protocol).deleteMe(request, caller),
  },
];

async function enrolled() {
  const account = await accounts.newAccount();
  return { ...account, factor: await enrolTotp(service, account.tokens.accessToken) };
}

describe.each(ACTS)('$name', ({ kind, act }) => {
  it.each(PROTOCOLS)(
    'asks for a proof, and takes a password or a code that is right, over %s',
    async (protocol) => {
      const [one, two] = [await enrolled(), await enrolled()];
      const missing = await refusalOf(act(protocol, one, NOTHING));
      expect(missing).toMatchObject({
        code: 'InvalidArgument',
        reason: 'VALIDATION_FAILED',
        fields: ['proof'],
      });
      const malformed = await refusalOf(act(protocol, one, byTotp('12')));
      expect(malformed).toMatchObject({ reason: 'VALIDATION_FAILED', fields: ['proof.totp_code'] });
      const wrong = wrongCode(one.factor.secret, clock.now());
      expect(await refusalOf(act(protocol, one, byPassword(WRONG)))).toMatchObject({
        code: 'Unauthenticated',
        reason: 'INVALID_CREDENTIALS',
      });
      expect(await reasonOf(act(protocol, one, byTotp(wrong)))).toBe('MFA_CODE_INVALID');
      // The code of the enrolment is spent.
      expect(await reasonOf(act(protocol, one, byTotp(one.factor.code())))).toBe('MFA_CODE_INVALID');
      const refused = (await accounts.eventsOf(one.id, kind)).filter(({ outcome }) => outcome === 'refused');
      expect(refused.map(({ reason }) => reason)).toEqual([
        'INVALID_CREDENTIALS',
        'MFA_CODE_INVALID',
        'MFA_CODE_INVALID',
      ]);
      expect((await service.user().getMe({}, one.caller)).user?.mfaEnabled).toBe(true);
      await act(protocol, one, byPassword());
      await act(protocol, two, byTotp(two.factor.code(1)));
    },
  );

  it('locks after five wrong proofs of either kind, and uses up nothing that it refuses', async () => {
    const own = await enrolled();
    for (let failure = 0; failure < 5; failure += 1) {
      const proof = failure % 2 === 0 ? byPassword(WRONG) : byTotp(wrongCode(own.factor.secret, clock.now()));
      expect(await reasonOf(act('grpc', own, proof))).not.toBe('ACCOUNT_LOCKED');
    }
    const next = byTotp(own.factor.code(1));
    for (const proof of [byPassword(), next])
      expect(await refusalOf(act('grpc', own, proof))).toMatchObject({
        code: 'ResourceExhausted',
        reason: 'ACCOUNT_LOCKED',
      });
    expect((await service.user().getMe({}, own.caller)).user?.mfaEnabled).toBe(true);
  });

  it('allows no more concurrent guesses than sequential ones', async () => {
    const own = await enrolled();
    const wrong = Array.from({ length: 30 }, () => reasonOf(act('grpc', own, byPassword(WRONG))));
    const reasons = await Promise.all(wrong);
    expect(reasons.filter((reason) => reason === 'INVALID_CREDENTIALS')).toHaveLength(5);
    expect(await reasonOf(act('grpc', own, byPassword()))).toBe('ACCOUNT_LOCKED');
  });
});

it('one code turns the factor off once, however many calls bring it', async () => {
  const own = await enrolled();
  const proof = byTotp(own.factor.code(1));
  const endings = await Promise.allSettled(
    Array.from({ length: 20 }, () => service.user().regenerateBackupCodes(proof, own.caller)),
  );
  expect(endings.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

const BEGINNINGS = [
  {
    name: 'EnrollTotp',
    kind: 'mfa.enroll',
    begin: (protocol: Protocol, { caller }: Account, request: Request) =>
      service.user(protocol).enrollTotp(request, caller),
  },
  {
    name: 'StartEmailChange',
    kind: 'account.email_change_request',
    begin: (protocol: Protocol, { caller, email }: Account, request: Request) =>
      service.user(protocol).startEmailChange({ newEmail: `new-${email}`, ...request }, caller),
  },
];

describe.each(BEGINNINGS)('$name', ({ kind, begin }) => {
  it.each(PROTOCOLS)('begins nothing for a session alone, over %s', async (protocol) => {
    const account = await accounts.newAccount();
    expect(await refusalOf(begin(protocol, account, NOTHING))).toMatchObject({
      code: 'InvalidArgument',
      reason: 'VALIDATION_FAILED',
      fields: ['proof'],
    });
    expect(await reasonOf(begin(protocol, account, byPassword(WRONG)))).toBe('INVALID_CREDENTIALS');
    await begin(protocol, account, byPassword());
    const events = await accounts.eventsOf(account.id, kind);
    expect(events.map(({ outcome }) => outcome).toSorted()).toEqual(['refused', 'success']);
  });
});
