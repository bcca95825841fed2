// ResetPassword: a new password by a link from the mail.

import type { ActionTokenStore } from '../action-token/action-token.ts';
import type { PresentTokenDeps } from '../action-token/present-token.ts';
import { payloadText, presentToken, refuseToken, tokenInvalid } from '../action-token/present-token.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { AnnounceDeps } from '../revocation/announce.ts';
import { announce } from '../revocation/announce.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { Transact } from '../transactions.ts';
import type { AcceptablePasswordDeps } from './acceptable-password.ts';
import { requireAcceptablePassword } from './acceptable-password.ts';
import type { CredentialStore } from './credential-store.ts';
import type { EmailStore } from './email-store.ts';
import type { PasswordHasher } from './password-hasher.ts';
import type { UserStore } from './user-store.ts';
import type { User } from './user.ts';

type ResetStores = {
  readonly users: Pick<UserStore, 'raiseEpochs'>;
  readonly credentials: Pick<CredentialStore, 'setPasswordHash'>;
  readonly emails: Pick<EmailStore, 'markVerified'>;
  readonly actionTokens: Pick<ActionTokenStore, 'consume' | 'deleteAll'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type ResetPasswordDeps = PresentTokenDeps &
  AcceptablePasswordDeps &
  AnnounceDeps & {
    readonly users: Pick<UserStore, 'findById'>;
    readonly passwordHasher: Pick<PasswordHasher, 'hash'>;
    readonly transact: Transact<ResetStores>;
    readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
  };

export type ResetPasswordInput = {
  readonly token: string;
  readonly newPassword: string;
  readonly origin: CallOrigin;
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal;
};

/**
 * Sets the password, and ends every session, link and challenge of the account. A refused password does not use the token up; of any number
 * of calls at once, one succeeds. Neither a lock nor the second factor is touched: a mailbox alone must not be enough to guess codes for
 * ever. Errors: TOKEN_INVALID (also for an account that is not active), TOKEN_EXPIRED, PASSWORD_POLICY, OVERLOADED, STORAGE_UNAVAILABLE.
 */
export async function resetPassword(deps: ResetPasswordDeps, input: ResetPasswordInput): Promise<void> {
  const context = {
    purpose: 'password_reset',
    kind: 'account.password_reset',
    origin: input.origin,
  } as const;
  const token = await presentToken(deps, input.token, context);
  const user = await deps.users.findById(token.userId);
  if (user?.status !== 'active') return refuseToken(deps, token, context, tokenInvalid());
  await requireAcceptablePassword(deps, 'new_password', input.newPassword, user);
  const hash = await deps.passwordHasher.hash(input.newPassword, input.signal);
  const revoked = await deps.transact(async (stores) => {
    const now = deps.clock.now();
    // First the account, then the token, as everywhere: two that wait for each other would be a deadlock.
    if (!(await stores.credentials.setPasswordHash(user.id, hash, now))) throw tokenInvalid();
    const used = await stores.actionTokens.consume('password_reset', token);
    if (used === undefined) throw tokenInvalid();
    // What was mailed proves the address that it was mailed to, and no other.
    const provedKey = payloadText(used, 'emailKey');
    if (provedKey !== undefined) await stores.emails.markVerified(user.id, provedKey, now);
    return endEverything(deps, stores, user, input.origin, now);
  });
  await announce(deps, [revoked]);
}

async function endEverything(
  deps: ResetPasswordDeps,
  stores: ResetStores,
  user: User,
  origin: CallOrigin,
  now: number,
): Promise<Revocation> {
  const minVersion = await stores.users.raiseEpochs(user.id, now);
  if (minVersion === undefined) throw tokenInvalid();
  const subject = revocation(
    { form: 'subject', id: user.id, minVersion },
    now,
    deps.tokenPolicy.accessTokenTtlMs,
  );
  await stores.revocations.insert(subject);
  await stores.actionTokens.deleteAll(user.id, ['password_reset', 'mfa_challenge', 'email_change']);
  const account = { accountId: user.id, targetId: user.id };
  await stores.audit.append(
    auditEvent(deps, { kind: 'account.password_reset', outcome: 'success', origin, ...account }),
  );
  const letter = {
    template: 'password_changed',
    fullName: user.fullName,
    ipAddress: origin.ipAddress,
  } as const;
  await stores.outbox.enqueue({ id: deps.newId(), to: user.email, letter, createTime: now });
  return subject;
}
