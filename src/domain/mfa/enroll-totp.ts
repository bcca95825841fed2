// EnrollTotp: a new secret for an authenticator app, which counts once a code of it has been seen.

import type { EmailStore } from '../account/email-store.ts';
import type { UserStore } from '../account/user-store.ts';
import type { AuditLog } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Transact } from '../transactions.ts';
import type { FactorUse } from './match-factor.ts';
import type { ProvenInput, ProvePersonDeps, SettleStores } from './prove-person.ts';
import { actAsPerson, personAttempt } from './prove-person.ts';
import type { TotpStore } from './totp-store.ts';
import type { Totp, TotpSecrets } from './totp.ts';

type EnrollStores = SettleStores & {
  readonly emails: Pick<EmailStore, 'lockById'>;
  readonly totpFactors: FactorUse & Pick<TotpStore, 'insertPending'>;
  readonly audit: AuditLog;
};

export type EnrollTotpDeps = ProvePersonDeps & {
  readonly users: Pick<UserStore, 'findWithPassword'>;
  readonly totp: Totp;
  readonly totpSecrets: Pick<TotpSecrets, 'seal'>;
  /** The name under which authenticator apps show the account. */
  readonly totpIssuer: string;
  readonly transact: Transact<EnrollStores>;
};

/** What the authenticator app has to learn; kept nowhere in clear. */
export type TotpEnrollment = { readonly secret: string; readonly keyUri: string };

/**
 * Begins an enrolment for a caller who proves to be the person: by a session alone, a thief could lock its owner out. An enrolment that waits for its first
 * code is replaced. Errors: MFA_ALREADY_ENABLED, those of `actAsPerson`.
 */
export async function enrollTotp(deps: EnrollTotpDeps, input: ProvenInput): Promise<TotpEnrollment> {
  const { userId, origin } = input;
  const attempt = await personAttempt(deps, input, 'mfa.enroll');
  const { user } = attempt;
  if (user.mfaEnabled) throw mfaAlreadyEnabled();
  const secret = deps.totp.newSecret();
  const sealedSecret = deps.totpSecrets.seal(userId, secret);
  await actAsPerson(deps, attempt, input, async (stores: EnrollStores, settle) => {
    const now = deps.clock.now();
    // First the account, then its factor, as everywhere.
    await stores.emails.lockById(userId);
    await settle(now);
    const factor = { userId, sealedSecret, createTime: now };
    if (!(await stores.totpFactors.insertPending(factor))) throw mfaAlreadyEnabled();
    const who = { accountId: userId, actorId: userId, targetId: userId };
    await stores.audit.append(auditEvent(deps, { kind: 'mfa.enroll', outcome: 'success', ...who, origin }));
  });
  return { secret, keyUri: deps.totp.keyUri(secret, deps.totpIssuer, user.email) };
}

/** MFA_ALREADY_ENABLED. */
export function mfaAlreadyEnabled(): DomainError {
  return new DomainError('MFA_ALREADY_ENABLED', 'The second factor is on already. Turn it off first.');
}
