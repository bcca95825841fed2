// Whether a code is right, and using it up.

import type { Clock } from '../clock.ts';
import type { BackupCodes } from './backup-code.ts';
import type { TotpStore } from './totp-store.ts';
import type { Totp, TotpFactor, TotpSecrets } from './totp.ts';

/** A code as `readTotpCode` or `readBackupCode` answers it. */
export type TypedFactor = { readonly kind: 'totp' | 'backup_code'; readonly code: string };

/** A code that is right, though another call may use it up first. */
export type MatchedFactor =
  | { readonly kind: 'totp'; readonly factor: TotpFactor; readonly step: number }
  | { readonly kind: 'backup_code'; readonly digest: Uint8Array };

/** What a password and such a code have proved. RFC 8176 has no word for a backup code: that there were two factors is what can be said. */
export const TWO_FACTOR_AMR = { totp: ['pwd', 'otp', 'mfa'], backup_code: ['pwd', 'mfa'] } as const;

export type MatchFactorDeps = {
  readonly totpFactors: Pick<TotpStore, 'find' | 'findBackupCode'>;
  readonly totp: Pick<Totp, 'matchedStep'>;
  readonly totpSecrets: Pick<TotpSecrets, 'unseal'>;
  readonly backupCodes: Pick<BackupCodes, 'digest'>;
  readonly clock: Clock;
};

export type FactorUse = Pick<TotpStore, 'useStep' | 'useBackupCode'>;

/** Looks, and uses nothing up. `used` is a code that was right once: no guess. */
export function matchFactor(
  deps: MatchFactorDeps,
  userId: string,
  { kind, code }: TypedFactor,
): Promise<MatchedFactor | 'wrong' | 'used'> {
  return kind === 'totp' ? matchTotp(deps, userId, code) : matchBackupCode(deps, userId, code);
}

/** Uses the code up, in a transaction of the caller's; false when another call was first. */
export function useFactor(
  totpFactors: FactorUse,
  userId: string,
  matched: MatchedFactor,
  now: number,
): Promise<boolean> {
  return matched.kind === 'totp'
    ? totpFactors.useStep(matched.factor, matched.step)
    : totpFactors.useBackupCode(userId, matched.digest, now);
}

async function matchTotp(deps: MatchFactorDeps, userId: string, code: string) {
  const factor = await deps.totpFactors.find(userId);
  if (factor?.confirmTime === undefined) return 'wrong';
  const secret = deps.totpSecrets.unseal(userId, factor.sealedSecret);
  const step = deps.totp.matchedStep(secret, code, deps.clock.now());
  if (step === undefined) return 'wrong';
  return step > factor.lastUsedStep ? ({ kind: 'totp', factor, step } as const) : 'used';
}

async function matchBackupCode(deps: MatchFactorDeps, userId: string, code: string) {
  const digest = deps.backupCodes.digest(userId, code);
  const found = await deps.totpFactors.findBackupCode(userId, digest);
  if (found === 'unused') return { kind: 'backup_code', digest } as const;
  return found ?? 'wrong';
}
