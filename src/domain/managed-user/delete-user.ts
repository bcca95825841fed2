// DeleteUser: an administrator takes an account away.

import type { EraseDeps, EraseStores } from '../account/delete-account.ts';
import { eraseAccount } from '../account/delete-account.ts';
import type { Act, ActDeps, ActInput, ActStores } from './act-upon.ts';
import { actUpon } from './act-upon.ts';

export type DeleteUserDeps = ActDeps<ActStores & EraseStores> & EraseDeps;

/**
 * Deletes an active or a suspended account; see `deleteAccount`. Errors: USER_NOT_FOUND, ROLE_PROTECTED (oneself: that is DeleteMe), INSUFFICIENT_SCOPE,
 * TOKEN_REVOKED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function deleteUser(deps: DeleteUserDeps, input: ActInput): Promise<void> {
  const act: Act = { ...input, kind: 'account.delete' };
  await actUpon(deps, act, async (stores: ActStores & EraseStores, { target: user }) => {
    const { actor, origin } = input;
    return {
      result: undefined,
      ended: await eraseAccount(deps, stores, { user, actorId: actor.id, origin }),
    };
  });
}
