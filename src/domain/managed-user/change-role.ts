// SetUserRole, and the one role that the command line alone grants.

import { COMMAND_LINE, requireMayGrant, SUPREME_ROLE } from '../access/authority.ts';
import { BEGUN_PURPOSES } from '../action-token/action-token.ts';
import type { User } from '../account/user.ts';
import type { CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import type { EndCredentialsDeps, EndKeysStores } from '../session/end-credentials.ts';
import { endCredentials, endCredentialsAndKeys } from '../session/end-credentials.ts';
import type { Act, ActDeps, ActInput, ActStores, Done, Locked } from './act-upon.ts';
import { actUpon, successOf } from './act-upon.ts';
import type { ManagedUserStore } from './managed-user-store.ts';
import { mustBeReactivated, roleNotFound } from './refusals.ts';

type RoleStores = ActStores &
  EndKeysStores & { readonly managedUsers: Pick<ManagedUserStore, 'lock' | 'lockRole' | 'setRole'> };

export type ChangeRoleDeps = ActDeps<RoleStores> & EndCredentialsDeps;

export type SetUserRoleInput = ActInput & { readonly role: string };

/**
 * Gives the account another role; every session and token of it ends, and its API keys when it loses a scope by that. The role that it has
 * already changes nothing. Errors: USER_NOT_FOUND, ROLE_NOT_FOUND, ROLE_PROTECTED, INSUFFICIENT_SCOPE, TOKEN_REVOKED, CONFLICT,
 * STORAGE_UNAVAILABLE.
 */
export async function setUserRole(deps: ChangeRoleDeps, input: SetUserRoleInput): Promise<User> {
  const { role } = input;
  const act: Act = { ...input, kind: 'account.role_change', details: { to: role } };
  return actUpon(deps, act, async (stores: RoleStores, locked) => {
    requireMayGrant(locked, locked.actor, role);
    if (!(await stores.managedUsers.lockRole(role))) throw roleNotFound();
    return changeRole(
      deps,
      stores,
      { ...act, details: { from: locked.target.role, to: role } },
      locked,
      role,
    );
  });
}

/**
 * Makes the account a super_admin, for operators with access to the database; false when it was one already. Its sessions and tokens
 * end, so that the role counts from the next login. Errors: USER_NOT_FOUND, ACCOUNT_SUSPENDED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function grantSuperAdmin(
  deps: ChangeRoleDeps,
  { userId, origin }: { readonly userId: string; readonly origin: CallOrigin },
): Promise<boolean> {
  const details = { to: SUPREME_ROLE, by: 'command line' };
  const act: Act = { kind: 'account.role_change', actor: COMMAND_LINE, userId, origin, details };
  return actUpon(deps, act, async (stores: RoleStores, locked) => {
    const { role: from, status } = locked.target;
    if (status !== 'active') throw mustBeReactivated();
    const done = await changeRole(
      deps,
      stores,
      { ...act, details: { from, ...details } },
      locked,
      SUPREME_ROLE,
    );
    return { ...done, result: from !== SUPREME_ROLE };
  });
}

async function changeRole(
  deps: Stamp & EndCredentialsDeps,
  stores: RoleStores,
  act: Act,
  { target, roleDirectory }: Locked,
  role: string,
): Promise<Done<User>> {
  if (target.role === role) return { result: target };
  const now = deps.clock.now();
  const result = await stores.managedUsers.setRole(target.id, role, now);
  const kept = roleDirectory.grantedBy(role);
  const loses = [...roleDirectory.grantedBy(target.role)].some((scope) => !kept.has(scope));
  const end = loses ? endCredentialsAndKeys : endCredentials;
  const ended = await end(deps, stores, { userId: target.id, purposes: BEGUN_PURPOSES, now });
  await stores.audit.append(successOf(deps, act));
  return { result, ended };
}
