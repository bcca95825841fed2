// ResetPassword: a new password by a link from an email.

import type { ActionPurpose, ActionTokenCodec, ActionTokenStore } from '../action-token/action-token.ts';
import { ENTRY_PURPOSES } from '../action-token/action-token.ts';
import type { PresentTokenDeps } from '../action-token/present-token.ts';
import { payloadText, presentToken, refuseToken, tokenInvalid } from '../action-token/present-token.ts';
import type { AuditKind, AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import { deleteFailures } from '../lockout/lockout.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { EndCredentialsDeps, EndCredentialsInput } from '../session/end-credentials.ts';
import { endCredentials, endCredentialsAndKeys, keysEnded } from '../session/end-credentials.ts';
import type { Transact } from '../transactions.ts';
import type { AcceptablePasswordDeps } from './acceptable-password.ts';
import { requireAcceptablePassword } from './acceptable-password.ts';
import type { CredentialStore } from '../account/credential-store.ts';
import type { EmailStore } from '../account/email-store.ts';
import type { FirstProofStores } from '../account/first-proof.ts';
import { endUnproved } from '../account/first-proof.ts';
import type { PasswordHasher } from './password-hasher.ts';
import type { UserStore } from '../account/user-store.ts';
import type { User } from '../account/user.ts';

type ResetStores = FirstProofStores & {
  readonly credentials: Pick<CredentialStore, 'setPasswordHash' | 'removePassword'>;
  readonly emails: Pick<EmailStore, 'markVerified'>;
  readonly actionTokens: Pick<ActionTokenStore, 'consume' | 'deleteAll'>;
  readonly lockouts: Pick<LockoutStore, 'deleteAll'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type ResetPasswordDeps = PresentTokenDeps &
  AcceptablePasswordDeps &
  PublishRevocationsDeps &
  EndCredentialsDeps & {
    readonly users: Pick<UserStore, 'findById'>;
    readonly passwordHasher: Pick<PasswordHasher, 'hash'>;
    readonly transact: Transact<ResetStores>;
  };

export type ResetPasswordInput = {
  readonly token: string;
  readonly newPassword: string;
  /** API keys end with the sessions unless this is set. */
  readonly keepApiKeys: boolean;
  readonly origin: CallOrigin;
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal;
};

type SetsPassword = Extract<ActionPurpose, 'password_reset' | 'invitation'>;

const KINDS: Readonly<Record<SetsPassword, AuditKind>> = {
  password_reset: 'account.password_reset',
  invitation: 'account.invitation',
};

/**
 * Sets the password by a link that was asked for, or by an invitation, and ends every session, link and challenge of the account, and its API
 * keys unless they are kept. The first proof of the address ends whatever else was made before it, second factor and keys in any case
 * (`endUnproved`); a later one does not touch the second factor. A refused password does not use the token up; of any number of calls at once, one
 * succeeds. Clears the lockout, for the mailbox was proved; how many reset links one mailbox gets bounds what codes can be guessed by that.
 * Errors: TOKEN_INVALID (also for an account that is not active), TOKEN_EXPIRED, PASSWORD_POLICY, OVERLOADED, STORAGE_UNAVAILABLE.
 */
export async function resetPassword(deps: ResetPasswordDeps, input: ResetPasswordInput): Promise<void> {
  const purpose = purposeOf(deps, input.token);
  const context = { purpose, kind: KINDS[purpose], origin: input.origin };
  const token = await presentToken(deps, input.token, context);
  const user = await deps.users.findById(token.userId);
  if (user?.status !== 'active') return refuseToken(deps, token, context, tokenInvalid());
  await requireAcceptablePassword(deps, 'new_password', input.newPassword, user);
  const hash = await deps.passwordHasher.hash(input.newPassword, input.signal);
  const revoked = await deps.transact(async (stores) => {
    const now = deps.clock.now();
    // First the account, then the token, as everywhere: two that wait for each other would be a deadlock.
    if (!(await stores.credentials.setPasswordHash(user.id, hash, now))) throw tokenInvalid();
    const used = await stores.actionTokens.consume(purpose, token);
    if (used === undefined) throw tokenInvalid();
    // What was mailed proves the address that it was mailed to, and no other.
    const provedKey = payloadText(used, 'emailKey');
    const proof =
      provedKey === undefined ? undefined : await stores.emails.markVerified(user.id, provedKey, now);
    await deleteFailures(stores.lockouts, user);
    const isFirst = proof === 'first';
    const hasEndedKeys = isFirst || !input.keepApiKeys;
    const ended = isFirst
      ? await endUnproved(deps, stores, { user, setsPassword: true, origin: input.origin })
      : await (hasEndedKeys ? endCredentialsAndKeys : endCredentials)(deps, stores, ending(user, now));
    await auditAndNotify(deps, stores, user, { ...context, hasEndedKeys, isFirst }, now);
    return ended;
  });
  await publishRevocations(deps, revoked);
}

// Each purpose has a prefix of its own.
function purposeOf(
  { actionTokenCodec }: { readonly actionTokenCodec: Pick<ActionTokenCodec, 'read'> },
  text: string,
): SetsPassword {
  return actionTokenCodec.read('invitation', text) === undefined ? 'password_reset' : 'invitation';
}

function ending({ id: userId }: User, now: number): EndCredentialsInput {
  return { userId, purposes: ENTRY_PURPOSES, now };
}

type Outcome = {
  readonly kind: AuditKind;
  readonly origin: CallOrigin;
  readonly hasEndedKeys: boolean;
  readonly isFirst: boolean;
};

async function auditAndNotify(
  deps: ResetPasswordDeps,
  stores: ResetStores,
  { id, fullName, email: to }: User,
  { kind, origin, hasEndedKeys, isFirst }: Outcome,
  now: number,
): Promise<void> {
  const account = { accountId: id, targetId: id };
  await stores.audit.append(
    auditEvent(deps, { kind, outcome: 'success', origin, ...account, ...keysEnded(hasEndedKeys) }),
  );
  const content = {
    template: 'password_changed',
    fullName,
    ipAddress: origin.ipAddress,
    hasEndedKeys,
    isFirstProof: isFirst,
  } as const;
  await stores.outbox.enqueue({ id: deps.newId(), to, content, createTime: now });
}
