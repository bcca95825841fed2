// RegenerateBackupCodes: ten new codes in the place of all the old ones.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { Transact } from '../transactions.ts';
import type { BackupCodes } from './backup-code.ts';
import { newBackupCodes } from './backup-code.ts';
import { mfaNotEnabled } from './disable-totp.ts';
import type { TotpStore } from './totp-store.ts';

type RegenerateStores = {
  readonly totpFactors: Pick<TotpStore, 'replaceBackupCodes'>;
  readonly audit: AuditLog;
};

export type RegenerateBackupCodesDeps = Stamp & {
  readonly backupCodes: BackupCodes;
  readonly transact: Transact<RegenerateStores>;
};

/** Answers the new codes, which are never shown again; the old ones are good no more. Errors: MFA_NOT_ENABLED, STORAGE_UNAVAILABLE. */
export async function regenerateBackupCodes(
  deps: RegenerateBackupCodesDeps,
  { userId, origin }: { readonly userId: string; readonly origin: CallOrigin },
): Promise<readonly string[]> {
  const codes = newBackupCodes(deps.backupCodes, userId);
  const digests = codes.map(({ digest }) => digest);
  await deps.transact(async (stores) => {
    if (!(await stores.totpFactors.replaceBackupCodes(userId, digests))) throw mfaNotEnabled();
    const who = { accountId: userId, actorId: userId, targetId: userId };
    await stores.audit.append(
      auditEvent(deps, { kind: 'mfa.backup_codes', outcome: 'success', ...who, origin }),
    );
  });
  return codes.map(({ text }) => text);
}
