// SuspendUser and ReactivateUser: an account is barred from login, and admitted again.

import { BEGUN_PURPOSES, ENTRY_PURPOSES } from '../action-token/action-token.ts';
import type { User } from '../account/user.ts';
import type { EndCredentialsDeps, EndCredentialsStores } from '../session/end-credentials.ts';
import { endCredentials } from '../session/end-credentials.ts';
import type { Act, ActDeps, ActInput, ActStores } from './act-upon.ts';
import { actUpon, successOf, withReason } from './act-upon.ts';
import type { ManagedUserStore } from './managed-user-store.ts';

type SuspendStores = ActStores &
  EndCredentialsStores & {
    readonly managedUsers: Pick<ManagedUserStore, 'lock' | 'suspend' | 'reactivate'>;
  };

export type SuspendUserDeps = ActDeps<SuspendStores> & EndCredentialsDeps;

/** `reason` may be empty. */
export type SuspendUserInput = ActInput & { readonly reason: string };

/**
 * Bars the account: every session and token of it ends, and its API keys are refused for as long as it is suspended. One that is suspended
 * stays as it is. Errors: USER_NOT_FOUND, ROLE_PROTECTED, INSUFFICIENT_SCOPE, TOKEN_REVOKED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function suspendUser(deps: SuspendUserDeps, input: SuspendUserInput): Promise<User> {
  const { reason } = input;
  const act: Act = { ...input, kind: 'account.suspend', ...withReason(reason) };
  return actUpon(deps, act, async (stores: SuspendStores, { target }) => {
    if (target.status === 'suspended') return { result: target };
    const now = deps.clock.now();
    const result = await stores.managedUsers.suspend(target.id, reason, now);
    const ended = await endCredentials(deps, stores, { userId: target.id, purposes: ENTRY_PURPOSES, now });
    await stores.audit.append(successOf(deps, act));
    return { result, ended };
  });
}

/**
 * Reactivates the account: it can log in, its API keys are valid again, its sessions and tokens are not. One that is active stays as it is. The epoch rises
 * here too: nodes that have cached its keys as refused read them again. Errors: as `suspendUser`.
 */
export async function reactivateUser(deps: SuspendUserDeps, input: SuspendUserInput): Promise<User> {
  const act: Act = { ...input, kind: 'account.reactivate', ...withReason(input.reason) };
  return actUpon(deps, act, async (stores: SuspendStores, { target }) => {
    if (target.status === 'active') return { result: target };
    const now = deps.clock.now();
    const result = await stores.managedUsers.reactivate(target.id, now);
    const ended = await endCredentials(deps, stores, { userId: target.id, purposes: BEGUN_PURPOSES, now });
    await stores.audit.append(successOf(deps, act));
    return { result, ended };
  });
}
