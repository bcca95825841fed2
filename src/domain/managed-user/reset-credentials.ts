// ForcePasswordReset, ResetUserMfa and UnlockUser: what an administrator does for an account that was taken over, or that its owner is locked out of.

import type { CredentialStore } from '../account/credential-store.ts';
import { BEGUN_PURPOSES, ENTRY_PURPOSES } from '../action-token/action-token.ts';
import { DomainError } from '../errors.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import { deleteFailures } from '../lockout/lockout.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { TotpStore } from '../mfa/totp-store.ts';
import type { EndCredentialsDeps, EndKeysStores } from '../session/end-credentials.ts';
import { endCredentialsAndKeys } from '../session/end-credentials.ts';
import type { Act, ActDeps, ActInput, ActStores } from './act-upon.ts';
import { actUpon, successOf, withReason } from './act-upon.ts';
import type { ManagedUserStore } from './managed-user-store.ts';
import { mustBeReactivated } from './refusals.ts';

type ResetStores = ActStores &
  EndKeysStores & {
    readonly managedUsers: Pick<ManagedUserStore, 'lock' | 'turnOffMfa'>;
    readonly credentials: Pick<CredentialStore, 'removePassword'>;
    readonly lockouts: Pick<LockoutStore, 'deleteAll'>;
    readonly totpFactors: Pick<TotpStore, 'remove'>;
    readonly outbox: Outbox;
  };

export type ResetCredentialsDeps = ActDeps<ResetStores> & EndCredentialsDeps;

/** `reason` may be empty. */
export type ResetCredentialsInput = ActInput & { readonly reason: string };

/**
 * Takes the password away, if there is one, mails a link that sets another, and clears the lockout. Every session, token, link and API key of the account ends.
 * Errors: USER_NOT_FOUND, ACCOUNT_SUSPENDED, ROLE_PROTECTED, INSUFFICIENT_SCOPE, TOKEN_REVOKED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function forcePasswordReset(
  deps: ResetCredentialsDeps,
  input: ResetCredentialsInput,
): Promise<void> {
  const act: Act = { ...input, kind: 'account.force_password_reset', ...withReason(input.reason) };
  await actUpon(deps, act, async (stores: ResetStores, { target }) => {
    const { id: userId, status, email: to } = target;
    if (status !== 'active') throw mustBeReactivated();
    const now = deps.clock.now();
    await stores.credentials.removePassword(userId, now);
    await deleteFailures(stores.lockouts, target);
    const ended = await endCredentialsAndKeys(deps, stores, { userId, purposes: ENTRY_PURPOSES, now });
    await stores.audit.append(successOf(deps, act));
    const content = { template: 'forced_password_reset', userId } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to, content, createTime: now });
    return { result: undefined, ended };
  });
}

/**
 * Deletes the second factor and its backup codes, and notifies the owner. Every session, token and API key of the account ends; a link that sets
 * a password does not, for an owner who lost the telephone may have asked for one. Errors: USER_NOT_FOUND, MFA_NOT_ENABLED, ROLE_PROTECTED,
 * INSUFFICIENT_SCOPE, TOKEN_REVOKED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function resetUserMfa(deps: ResetCredentialsDeps, input: ResetCredentialsInput): Promise<void> {
  const act: Act = { ...input, kind: 'mfa.reset', ...withReason(input.reason) };
  await actUpon(deps, act, async (stores: ResetStores, { target }) => {
    const { id: userId, email: to, fullName } = target;
    if (!target.mfaEnabled) throw new DomainError('MFA_NOT_ENABLED', 'This account has no second factor.');
    const now = deps.clock.now();
    await stores.managedUsers.turnOffMfa(userId, now);
    await stores.totpFactors.remove(userId);
    const ended = await endCredentialsAndKeys(deps, stores, { userId, purposes: BEGUN_PURPOSES, now });
    await stores.audit.append(successOf(deps, act));
    const content = { template: 'mfa_reset', fullName } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to, content, createTime: now });
    return { result: undefined, ended };
  });
}

type UnlockStores = ActStores & { readonly lockouts: Pick<LockoutStore, 'deleteAll'> };

export type UnlockUserDeps = ActDeps<UnlockStores>;

/**
 * Deletes the account's failed logins, and lifts the locks that they brought; false, and nothing happens, where there are none. Not for one's own account:
 * the thief of a session could guess the password without end. Errors: USER_NOT_FOUND, ROLE_PROTECTED, INSUFFICIENT_SCOPE, TOKEN_REVOKED,
 * CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function unlockUser(deps: UnlockUserDeps, input: ActInput): Promise<boolean> {
  const act: Act = { ...input, kind: 'account.unlock' };
  return actUpon(deps, act, async (stores: UnlockStores, { target }) => {
    const hadFailures = await deleteFailures(stores.lockouts, target);
    if (hadFailures) await stores.audit.append(successOf(deps, act));
    return { result: hadFailures };
  });
}
