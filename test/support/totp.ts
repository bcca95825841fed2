// A second factor for an account under test, and the codes of its authenticator app at any time.

import { generateSync } from 'otplib';
import { byPassword } from './proofs.ts';
import { bearer, GOOD_PASSWORD, type Protocol, type TestService } from './service.ts';

/** One time step in milliseconds: each step has one code, and each code is taken once. */
export const STEP_MS = 30_000;

/** What an account with a second factor has. */
export type EnrolledFactor = {
  readonly secret: string;
  readonly backupCodes: readonly string[];
  /** What the calling device is known by from now on. */
  readonly deviceToken: string;
  /** The code that the app shows at `now`; by the service's clock by default, `steps` later. */
  code(steps?: number, now?: number): string;
};

/** The code of a base32 secret at a time in epoch milliseconds. */
export function totpCode(secret: string, now: number): string {
  return generateSync({ secret, epoch: Math.floor(now / 1_000) });
}

/** Another code than the ones of this moment and its neighbours. */
export function wrongCode(secret: string, now: number): string {
  const right = [-1, 0, 1].map((steps) => totpCode(secret, now + steps * STEP_MS));
  const wrong = ['000000', '111111', '222222', '333333'].find((code) => !right.includes(code));
  if (wrong === undefined) throw new Error('there are three right codes');
  return wrong;
}

/**
 * Turns the second factor on for the account of the access token. The code of the current step is used up by it: the next login takes that of
 * the next step, `factor.code(1)`. The account's other sessions end.
 */
export async function enrolTotp(service: TestService, accessToken: string): Promise<EnrolledFactor> {
  const { secret } = await service.user().enrollTotp(byPassword(), bearer(accessToken));
  const code = (steps = 0, now = service.app.clock.now()) => totpCode(secret, now + steps * STEP_MS);
  const confirmed = await service.user().confirmTotp({ code: code() }, bearer(accessToken));
  const { backupCodes, deviceToken } = confirmed;
  return { secret, backupCodes, deviceToken, code };
}

/** Logs in with the password alone; resolves to the token of the challenge. */
export async function challengeOf(
  service: TestService,
  identifier: string,
  protocol: Protocol = 'grpc',
): Promise<string> {
  const { outcome } = await service.auth(protocol).login({ identifier, password: GOOD_PASSWORD });
  if (outcome.case !== 'mfaChallenge') throw new Error(`login answered ${outcome.case ?? 'nothing'}`);
  return outcome.value.mfaToken;
}

/** Logs in with both factors; resolves to the tokens. */
export async function signInWithTotp(service: TestService, identifier: string, totpCode: string) {
  const mfaToken = await challengeOf(service, identifier);
  const factor = { case: 'totpCode', value: totpCode } as const;
  const { tokens } = await service.auth().verifyMfa({ mfaToken, factor });
  if (tokens === undefined) throw new Error('VerifyMfa answered no tokens');
  return tokens;
}
