// Port: where second factors and backup codes are kept. One factor for each user.

import type { TotpFactor } from './totp.ts';

export type TotpStore = {
  /** The user's factor, also while it waits for its first code. */
  find(userId: string): Promise<TotpFactor | undefined>;
  /** Keeps a factor that waits for its first code, in place of one that waits already; false when one is confirmed. */
  insertPending(factor: Pick<TotpFactor, 'userId' | 'sealedSecret' | 'createTime'>): Promise<boolean>;
  /** Confirms this very factor by the code of `step`; false when it waits no more, or another one does. */
  confirm(factor: TotpFactor, step: number, now: number): Promise<boolean>;
  /** Uses up the code of `step`, and those before it; false when it was used, or the factor is another. Of any number at once, one uses it. */
  useStep(factor: TotpFactor, step: number): Promise<boolean>;
  /** Deletes the factor and the backup codes. */
  remove(userId: string): Promise<void>;
  /** Puts these in the place of all the user's codes; false when the user has no confirmed factor. */
  replaceBackupCodes(userId: string, digests: readonly Uint8Array[]): Promise<boolean>;
  /** Whether the user has the code, and whether it was used; undefined when there is none such. */
  findBackupCode(userId: string, digest: Uint8Array): Promise<'unused' | 'used' | undefined>;
  /** Uses the code up; false when the user has no unused one such. Of any number of calls at once, one uses it. */
  useBackupCode(userId: string, digest: Uint8Array, now: number): Promise<boolean>;
};
