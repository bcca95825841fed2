// DisableTotp: back to the password alone.

import type { UserStore } from '../account/user-store.ts';
import type { ActionTokenStore } from '../action-token/action-token.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { Transact } from '../transactions.ts';
import type { TotpStore } from './totp-store.ts';

type DisableStores = {
  readonly users: Pick<UserStore, 'setMfaEnabled'>;
  readonly totpFactors: Pick<TotpStore, 'remove'>;
  readonly actionTokens: Pick<ActionTokenStore, 'deleteAll'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type DisableTotpDeps = Stamp & { readonly transact: Transact<DisableStores> };

/** Turns the second factor off; its secret, the backup codes and pending challenges are gone. Errors: MFA_NOT_ENABLED, STORAGE_UNAVAILABLE. */
export async function disableTotp(
  deps: DisableTotpDeps,
  { userId, origin }: { readonly userId: string; readonly origin: CallOrigin },
): Promise<void> {
  await deps.transact(async (stores) => {
    const now = deps.clock.now();
    const user = await stores.users.setMfaEnabled(userId, false, now);
    if (user === undefined) throw mfaNotEnabled();
    await stores.totpFactors.remove(userId);
    await stores.actionTokens.deleteAll(userId, ['mfa_challenge']);
    const who = { accountId: userId, actorId: userId, targetId: userId };
    await stores.audit.append(auditEvent(deps, { kind: 'mfa.disable', outcome: 'success', ...who, origin }));
    const { fullName } = user;
    const letter = { template: 'mfa_disabled', fullName, ipAddress: origin.ipAddress } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to: user.email, letter, createTime: now });
  });
}

/** MFA_NOT_ENABLED. */
export function mfaNotEnabled(): DomainError {
  return new DomainError('MFA_NOT_ENABLED', 'The second factor is not on. Turn it on with EnrollTotp.');
}
