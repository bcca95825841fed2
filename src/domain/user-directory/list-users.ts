// ListUsers: the accounts that match, a page at a time.

import type { User } from '../account/user.ts';
import { pageOf } from '../paging.ts';
import type { UserDirectory, UserPosition, UserQuery } from './user-directory.ts';

export type ListUsersDeps = { readonly userDirectory: UserDirectory };

export type ListUsersInput = {
  readonly query: UserQuery;
  readonly pageSize: number;
  readonly after: UserPosition | undefined;
};

/** A page of accounts, and where the next one begins (undefined on the last). Errors: STORAGE_UNAVAILABLE. */
export async function listUsers(
  deps: ListUsersDeps,
  { query, pageSize, after }: ListUsersInput,
): Promise<{ readonly users: readonly User[]; readonly next: UserPosition | undefined }> {
  const found = await deps.userDirectory.find(query, { after, limit: pageSize + 1 });
  const { items, next } = pageOf(found, pageSize, ({ position }) => position);
  return { users: items.map(({ user }) => user), next };
}
