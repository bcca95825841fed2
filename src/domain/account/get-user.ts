// The caller's own account.

import { DomainError } from '../errors.ts';
import type { UserStore } from './user-store.ts';
import type { User } from './user.ts';

/** The account with this id. Errors: USER_NOT_FOUND, STORAGE_UNAVAILABLE. */
export async function getUser(
  deps: { readonly users: Pick<UserStore, 'findById'> },
  id: string,
): Promise<User> {
  const user = await deps.users.findById(id);
  if (user === undefined) throw new DomainError('USER_NOT_FOUND', 'The account does not exist any more.');
  return user;
}
