// UpdateUser: an administrator sets an account's address and names right.

import { MAILED_PURPOSES } from '../action-token/action-token.ts';
import type { ActionTokenStore } from '../action-token/action-token.ts';
import type { User } from '../account/user.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { Act, ActDeps, ActInput, ActStores } from './act-upon.ts';
import { actUpon, ownAccount, successOf } from './act-upon.ts';
import type { ManagedChange, ManagedUserStore } from './managed-user-store.ts';
import { emailTaken, usernameTaken } from './refusals.ts';

type UpdateStores = ActStores & {
  readonly managedUsers: Pick<ManagedUserStore, 'lock' | 'update'>;
  readonly actionTokens: Pick<ActionTokenStore, 'deleteAll'>;
  readonly outbox: Outbox;
};

export type UpdateUserDeps = ActDeps<UpdateStores>;

export type UpdateUserInput = ActInput & {
  /** Each field once at most. */
  readonly changes: readonly ManagedChange[];
};

/**
 * Makes all the changes or none, and answers the account after them. Another address is not verified unless the changes say so; the old one is
 * notified, and links mailed to it end. Nobody states whether their own address is verified. Errors: USER_NOT_FOUND,
 * EMAIL_TAKEN, USERNAME_TAKEN, ROLE_PROTECTED, INSUFFICIENT_SCOPE, TOKEN_REVOKED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function updateUser(deps: UpdateUserDeps, input: UpdateUserInput): Promise<User> {
  const fields = input.changes.map(({ field }) => field).join(', ');
  const act: Act = { ...input, kind: 'account.update', mayBeOwn: true, details: { fields } };
  return actUpon(deps, act, async (stores: UpdateStores, { target }) => {
    if (input.changes.length === 0) return { result: target };
    if (input.actor.id === target.id && input.changes.some(isOfAddress)) throw ownAccount();
    const now = deps.clock.now();
    const updated = await stores.managedUsers.update(target.id, completed(target, input.changes), now);
    if (updated === 'email_taken') throw emailTaken('user.email');
    if (updated === 'username_taken') throw usernameTaken('user.username');
    if (updated.email !== target.email) await leaveAddress(deps, stores, target, updated);
    await stores.audit.append(successOf(deps, act));
    return { result: updated };
  });
}

function isOfAddress({ field }: ManagedChange): boolean {
  return field === 'email' || field === 'email_verified';
}

// Two spellings of one address may be two mailboxes, so that another spelling is another address.
function completed(target: User, changes: readonly ManagedChange[]): readonly ManagedChange[] {
  const moves = changes.some((change) => change.field === 'email' && change.email.text !== target.email);
  const isStated = changes.some(({ field }) => field === 'email_verified');
  return moves && !isStated ? [...changes, { field: 'email_verified', emailVerified: false }] : changes;
}

async function leaveAddress(
  deps: UpdateUserDeps,
  stores: UpdateStores,
  { id, email: to, fullName }: User,
  { email: newEmail, updateTime: createTime }: User,
): Promise<void> {
  await stores.actionTokens.deleteAll(id, [...MAILED_PURPOSES, 'email_change']);
  const content = { template: 'email_changed_by_administrator', fullName, newEmail } as const;
  await stores.outbox.enqueue({ id: deps.newId(), to, content, createTime });
}
