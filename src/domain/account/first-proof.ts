// The first proof of an address: every credential made on the account before it, without proof of the address, ends.

import { BEGUN_PURPOSES, ENTRY_PURPOSES } from '../action-token/action-token.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import { deleteFailures } from '../lockout/lockout.ts';
import type { TotpStore } from '../mfa/totp-store.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { EndCredentialsDeps, EndKeysStores } from '../session/end-credentials.ts';
import { endCredentialsAndKeys } from '../session/end-credentials.ts';
import type { KnownDevices } from '../session/known-devices.ts';
import type { CredentialStore } from './credential-store.ts';
import type { UserStore } from './user-store.ts';
import type { User } from './user.ts';

export type FirstProofStores = EndKeysStores & {
  readonly users: Pick<UserStore, 'raiseEpochs' | 'setMfaEnabled'>;
  readonly credentials: Pick<CredentialStore, 'removePassword'>;
  readonly totpFactors: Pick<TotpStore, 'remove'>;
  readonly knownDevices: Pick<KnownDevices, 'deleteAll'>;
  readonly lockouts: Pick<LockoutStore, 'deleteAll'>;
  readonly audit: AuditLog;
};

export type FirstProofDeps = Stamp & EndCredentialsDeps;

export type FirstProof = {
  readonly user: User;
  /** Whether the password was set by the person who proves the address, just now; any other ends. */
  readonly setsPassword: boolean;
  readonly origin: CallOrigin;
};

/**
 * Ends the password, every session, token, API key, second factor, backup code, challenge, change of address and known device of the account,
 * and what failed logins have locked, in a transaction of the caller's that locks its row and marks its address as proved for the first time.
 * For every way to prove an address. Who registered another person's address keeps no access, and its owner is not asked for that
 * person's code (CWE-287; Sudhodanan and Paverd, "Pre-hijacked accounts", USENIX Security 2022). Answers what the caller must publish after
 * the commit. Errors: STORAGE_UNAVAILABLE.
 */
export async function endUnproved(
  deps: FirstProofDeps,
  stores: FirstProofStores,
  { user, setsPassword, origin }: FirstProof,
): Promise<readonly Revocation[]> {
  const { id: userId } = user;
  const now = deps.clock.now();
  const hadPassword = !setsPassword && (await stores.credentials.removePassword(userId, now));
  const hadFactor = (await stores.users.setMfaEnabled(userId, false, now)) !== undefined;
  await stores.totpFactors.remove(userId);
  await stores.knownDevices.deleteAll(userId);
  await deleteFailures(stores.lockouts, user);
  // Only the reader of the mailbox, who proves the address, got the links that set a password.
  const purposes = setsPassword ? ENTRY_PURPOSES : BEGUN_PURPOSES;
  const revoked = await endCredentialsAndKeys(deps, stores, { userId, purposes, now });
  const keys = revoked.filter(({ form }) => form === 'session').length;
  await stores.audit.append(
    auditEvent(deps, {
      kind: 'account.first_proof',
      outcome: 'success',
      accountId: userId,
      targetId: userId,
      origin,
      details: {
        password_ended: String(hadPassword),
        mfa_ended: String(hadFactor),
        api_keys_ended: String(keys),
      },
    }),
  );
  return revoked;
}
