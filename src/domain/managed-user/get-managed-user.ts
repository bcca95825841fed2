// GetUser: an account as administrators see it.

import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import { accountCounterKeys } from '../lockout/failure-counter.ts';
import type { ManagedUser, ManagedUserStore } from './managed-user-store.ts';

export type GetManagedUserDeps = {
  readonly managedUsers: Pick<ManagedUserStore, 'find'>;
  readonly lockouts: Pick<LockoutStore, 'findLocks'>;
  readonly clock: Clock;
};

/** The account, and until when failed logins lock it. Errors: USER_NOT_FOUND, also for a deleted one; STORAGE_UNAVAILABLE. */
export async function getManagedUser(
  deps: GetManagedUserDeps,
  id: string,
): Promise<ManagedUser & { readonly lockedUntil: number | undefined }> {
  const found = await deps.managedUsers.find(id);
  if (found === undefined) throw new DomainError('USER_NOT_FOUND', 'There is no such account.');
  const locks = await deps.lockouts.findLocks(accountCounterKeys(found.user), deps.clock.now());
  return { ...found, lockedUntil: locks.size === 0 ? undefined : Math.max(...locks.values()) };
}
