// DeleteMe: people take their account away.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { AnnounceDeps } from '../revocation/announce.ts';
import { announce } from '../revocation/announce.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { Transact } from '../transactions.ts';
import type { AccountDeletionStore } from './account-deletion-store.ts';
import { getUser } from './get-user.ts';
import type { UserStore } from './user-store.ts';
import type { User } from './user.ts';

/** Some active account has this role at any time, or nobody could ever manage the others again. */
export const PROTECTED_ROLE = 'super_admin';

type DeleteStores = {
  readonly users: Pick<UserStore, 'findById'>;
  readonly accountDeletions: AccountDeletionStore;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type DeleteAccountDeps = Stamp &
  AnnounceDeps & {
    readonly transact: Transact<DeleteStores>;
    readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
  };

export type DeleteAccountInput = { readonly userId: string; readonly origin: CallOrigin };

/**
 * Deletes the account: every credential of it is dead when this resolves, its address and user name are free, its owner is told. What was
 * audited stays. Errors: ROLE_PROTECTED (the last active super_admin), USER_NOT_FOUND, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function deleteAccount(deps: DeleteAccountDeps, input: DeleteAccountInput): Promise<void> {
  const ending = await deps.transact(async (stores) => {
    const user = await getUser(stores, input.userId);
    return (await isLastOfItsRole(stores, user))
      ? refuse(deps, stores, input)
      : erase(deps, stores, input, user);
  });
  if (ending instanceof DomainError) throw ending;
  await announce(deps, [ending]);
}

async function isLastOfItsRole(stores: DeleteStores, { id, role }: User): Promise<boolean> {
  return role === PROTECTED_ROLE && (await stores.accountDeletions.countOthersWithRole(id, role)) === 0;
}

async function refuse(deps: Stamp, stores: DeleteStores, input: DeleteAccountInput): Promise<DomainError> {
  const error = new DomainError(
    'ROLE_PROTECTED',
    `You are the last active ${PROTECTED_ROLE}. Give the role to somebody else first.`,
  );
  await stores.audit.append(deletionEvent(deps, input, { outcome: 'refused', reason: error.reason }));
  return error;
}

async function erase(
  deps: DeleteAccountDeps,
  stores: DeleteStores,
  input: DeleteAccountInput,
  { id, role }: User,
): Promise<Revocation> {
  const now = deps.clock.now();
  const deleted = await stores.accountDeletions.erase(id, role, now);
  if (deleted === undefined)
    throw new DomainError('CONFLICT', 'The account was changed meanwhile. Try again.', { retryAfterMs: 100 });
  const subject = { form: 'subject', id, minVersion: deleted.tokenVersion } as const;
  const revoked = revocation(subject, now, deps.tokenPolicy.accessTokenTtlMs);
  await stores.revocations.insert(revoked);
  await stores.audit.append(deletionEvent(deps, input, { outcome: 'success' }));
  const letter = { template: 'account_deleted', fullName: deleted.fullName } as const;
  await stores.outbox.enqueue({ id: deps.newId(), to: deleted.email, letter, createTime: now });
  return revoked;
}

function deletionEvent(
  deps: Stamp,
  { userId, origin }: DeleteAccountInput,
  ending: { readonly outcome: 'success' | 'refused'; readonly reason?: string },
) {
  const who = { accountId: userId, actorId: userId, targetId: userId };
  return auditEvent(deps, { kind: 'account.delete', ...ending, ...who, origin });
}
