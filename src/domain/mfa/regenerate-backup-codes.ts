// RegenerateBackupCodes: ten new codes in the place of all the old ones.

import type { EmailStore } from '../account/email-store.ts';
import type { UserStore } from '../account/user-store.ts';
import type { AuditLog } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import type { Transact } from '../transactions.ts';
import type { BackupCodes } from './backup-code.ts';
import { newBackupCodes } from './backup-code.ts';
import { mfaNotEnabled } from './disable-totp.ts';
import type { FactorUse } from './match-factor.ts';
import type { ProvenInput, ProvePersonDeps, SettleStores } from './prove-person.ts';
import { actAsPerson, personAttempt } from './prove-person.ts';
import type { TotpStore } from './totp-store.ts';

type RegenerateStores = SettleStores & {
  readonly emails: Pick<EmailStore, 'lockById'>;
  readonly totpFactors: FactorUse & Pick<TotpStore, 'replaceBackupCodes'>;
  readonly audit: AuditLog;
};

export type RegenerateBackupCodesDeps = ProvePersonDeps & {
  readonly users: Pick<UserStore, 'findWithPassword'>;
  readonly backupCodes: BackupCodes;
  readonly transact: Transact<RegenerateStores>;
};

/**
 * Answers the new codes, which are never shown again, to a caller who proves to be the person; the old ones are no longer valid. Errors: MFA_NOT_ENABLED, those of
 * `actAsPerson`.
 */
export async function regenerateBackupCodes(
  deps: RegenerateBackupCodesDeps,
  input: ProvenInput,
): Promise<readonly string[]> {
  const { userId, origin } = input;
  const attempt = await personAttempt(deps, input, 'mfa.backup_codes');
  if (!attempt.user.mfaEnabled) throw mfaNotEnabled();
  const codes = newBackupCodes(deps.backupCodes, userId);
  const digests = codes.map(({ digest }) => digest);
  await actAsPerson(deps, attempt, input, async (stores: RegenerateStores, settle) => {
    // First the account, then its factor, as everywhere.
    await stores.emails.lockById(userId);
    await settle(deps.clock.now());
    if (!(await stores.totpFactors.replaceBackupCodes(userId, digests))) throw mfaNotEnabled();
    const who = { accountId: userId, actorId: userId, targetId: userId };
    await stores.audit.append(
      auditEvent(deps, { kind: 'mfa.backup_codes', outcome: 'success', ...who, origin }),
    );
  });
  return codes.map(({ text }) => text);
}
