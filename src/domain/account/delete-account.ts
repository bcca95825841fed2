// The end of an account: DeleteMe, and what a deletion by an administrator shares with it.

import { SUPREME_ROLE } from '../access/authority.ts';
import { ENTRY_PURPOSES } from '../action-token/action-token.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { ProvenInput, ProvePersonDeps, SettleStores } from '../mfa/prove-person.ts';
import { actAsPerson, personAttempt } from '../mfa/prove-person.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { EndCredentialsDeps, EndKeysStores } from '../session/end-credentials.ts';
import { endCredentialsAndKeys } from '../session/end-credentials.ts';
import type { Transact } from '../transactions.ts';
import type { AccountDeletionStore } from './account-deletion-store.ts';
import type { EmailStore } from './email-store.ts';
import { getUser } from './get-user.ts';
import type { UserStore } from './user-store.ts';
import type { User } from './user.ts';

/** What an account is taken out of. */
export type EraseStores = EndKeysStores & {
  readonly accountDeletions: Pick<AccountDeletionStore, 'erase'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

type DeleteStores = SettleStores &
  EraseStores & {
    readonly users: Pick<UserStore, 'findById' | 'raiseEpochs'>;
    readonly emails: Pick<EmailStore, 'lockById'>;
    readonly accountDeletions: AccountDeletionStore;
  };

export type EraseDeps = Stamp & EndCredentialsDeps;

export type DeleteAccountDeps = EraseDeps &
  PublishRevocationsDeps &
  ProvePersonDeps & {
    readonly users: Pick<UserStore, 'findWithPassword'>;
    readonly transact: Transact<DeleteStores>;
  };

/**
 * Deletes the account of the caller, who proves to be the person: every credential of it is dead when this resolves, its address and user name are free, and an email notifies its owner.
 * What was audited stays. Errors: ROLE_PROTECTED (the last active super_admin), USER_NOT_FOUND, CONFLICT, those of `actAsPerson`.
 */
export async function deleteAccount(deps: DeleteAccountDeps, input: ProvenInput): Promise<void> {
  const { userId, origin } = input;
  const attempt = await personAttempt(deps, input, 'account.delete');
  const ending = await actAsPerson(deps, attempt, input, async (stores: DeleteStores, settle) => {
    const { role } = await getUser(stores, userId);
    // The proof takes a while: a caller who was demoted meanwhile has to call again.
    if (role !== attempt.user.role) throw changedMeanwhile();
    if (role === SUPREME_ROLE && (await stores.accountDeletions.countOthersWithRole(userId, role)) === 0)
      return refuse(deps, stores, input);
    const user = await stores.emails.lockById(userId);
    if (user?.status !== 'active' || user.role !== role) throw changedMeanwhile();
    await settle(deps.clock.now());
    return eraseAccount(deps, stores, { user, actorId: userId, origin });
  });
  if (ending instanceof DomainError) throw ending;
  await publishRevocations(deps, ending);
}

function changedMeanwhile(): DomainError {
  return new DomainError('CONFLICT', 'The account was changed meanwhile. Try again.', { retryAfterMs: 100 });
}

async function refuse(
  deps: Stamp,
  stores: DeleteStores,
  { userId, origin }: ProvenInput,
): Promise<DomainError> {
  const error = new DomainError(
    'ROLE_PROTECTED',
    `You are the last active ${SUPREME_ROLE}. Give the role to another account first.`,
  );
  const who = { accountId: userId, actorId: userId, targetId: userId };
  await stores.audit.append(
    auditEvent(deps, { kind: 'account.delete', outcome: 'refused', reason: error.reason, ...who, origin }),
  );
  return error;
}

export type EraseInput = {
  /** Active or suspended; the caller has locked the row. */
  readonly user: User;
  readonly actorId: string | undefined;
  readonly origin: CallOrigin;
};

/** Deletes the account with every credential of it, and notifies its owner; the caller publishes the answer after the commit. */
export async function eraseAccount(
  deps: EraseDeps,
  stores: EraseStores,
  { user: { id, email, fullName }, actorId, origin }: EraseInput,
): Promise<readonly Revocation[]> {
  const now = deps.clock.now();
  const ended = await endCredentialsAndKeys(deps, stores, { userId: id, purposes: ENTRY_PURPOSES, now });
  await stores.accountDeletions.erase(id, now);
  const who = { accountId: id, targetId: id, ...(actorId === undefined ? {} : { actorId }) };
  await stores.audit.append(auditEvent(deps, { kind: 'account.delete', outcome: 'success', ...who, origin }));
  const content = { template: 'account_deleted', fullName } as const;
  await stores.outbox.enqueue({ id: deps.newId(), to: email, content, createTime: now });
  return ended;
}
