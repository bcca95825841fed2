// DisableTotp: back to the password alone.

import type { UserStore } from '../account/user-store.ts';
import type { ActionTokenStore } from '../action-token/action-token.ts';
import type { AuditLog } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { Transact } from '../transactions.ts';
import type { FactorUse } from './match-factor.ts';
import type { ProvenInput, ProvePersonDeps, SettleStores } from './prove-person.ts';
import { actAsPerson, personAttempt } from './prove-person.ts';
import type { TotpStore } from './totp-store.ts';

type DisableStores = SettleStores & {
  readonly users: Pick<UserStore, 'setMfaEnabled'>;
  readonly totpFactors: FactorUse & Pick<TotpStore, 'remove'>;
  readonly actionTokens: Pick<ActionTokenStore, 'deleteAll'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type DisableTotpDeps = ProvePersonDeps & {
  readonly users: Pick<UserStore, 'findWithPassword'>;
  readonly transact: Transact<DisableStores>;
};

/**
 * Turns the second factor off, for a caller who proves to be the person; its secret, the backup codes and pending challenges are gone. Errors: MFA_NOT_ENABLED, those
 * of `actAsPerson`.
 */
export async function disableTotp(deps: DisableTotpDeps, input: ProvenInput): Promise<void> {
  const { userId, origin } = input;
  const attempt = await personAttempt(deps, input, 'mfa.disable');
  if (!attempt.user.mfaEnabled) throw mfaNotEnabled();
  await actAsPerson(deps, attempt, input, async (stores: DisableStores, settle) => {
    const now = deps.clock.now();
    const user = await stores.users.setMfaEnabled(userId, false, now);
    if (user === undefined) throw mfaNotEnabled();
    await settle(now);
    await stores.totpFactors.remove(userId);
    await stores.actionTokens.deleteAll(userId, ['mfa_challenge']);
    const who = { accountId: userId, actorId: userId, targetId: userId };
    await stores.audit.append(auditEvent(deps, { kind: 'mfa.disable', outcome: 'success', ...who, origin }));
    const { fullName } = user;
    const content = { template: 'mfa_disabled', fullName, ipAddress: origin.ipAddress } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to: user.email, content, createTime: now });
  });
}

/** MFA_NOT_ENABLED. */
export function mfaNotEnabled(): DomainError {
  return new DomainError('MFA_NOT_ENABLED', 'The second factor is not on. Turn it on with EnrollTotp.');
}
