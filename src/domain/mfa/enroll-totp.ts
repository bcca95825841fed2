// EnrollTotp: a new secret for an authenticator app, which counts once a code of it has been seen.

import type { UserStore } from '../account/user-store.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Transact } from '../transactions.ts';
import type { TotpStore } from './totp-store.ts';
import type { Totp, TotpSecrets } from './totp.ts';

type EnrollStores = { readonly totpFactors: Pick<TotpStore, 'insertPending'>; readonly audit: AuditLog };

export type EnrollTotpDeps = Stamp & {
  readonly users: Pick<UserStore, 'findById'>;
  readonly totp: Totp;
  readonly totpSecrets: Pick<TotpSecrets, 'seal'>;
  /** The name under which authenticator apps show the account. */
  readonly totpIssuer: string;
  readonly transact: Transact<EnrollStores>;
};

/** What the authenticator app has to learn; kept nowhere in clear. */
export type TotpEnrollment = { readonly secret: string; readonly keyUri: string };

/** Begins an enrolment; one that waited for its first code is forgotten. Errors: MFA_ALREADY_ENABLED, USER_NOT_FOUND, STORAGE_UNAVAILABLE. */
export async function enrollTotp(
  deps: EnrollTotpDeps,
  { userId, origin }: { readonly userId: string; readonly origin: CallOrigin },
): Promise<TotpEnrollment> {
  const user = await deps.users.findById(userId);
  if (user === undefined) throw new DomainError('USER_NOT_FOUND', 'The account does not exist any more.');
  const secret = deps.totp.newSecret();
  const sealedSecret = deps.totpSecrets.seal(userId, secret);
  await deps.transact(async (stores) => {
    const factor = { userId, sealedSecret, createTime: deps.clock.now() };
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
