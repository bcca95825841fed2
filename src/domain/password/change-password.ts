// ChangePassword: a new password for who knows the old one.

import { ENTRY_PURPOSES } from '../action-token/action-token.ts';
import type { AuditEvent, AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { KnownDeviceDeps } from '../lockout/device-token.ts';
import { grantDevice } from '../lockout/device-token.ts';
import { sessionCounter } from '../lockout/failure-counter.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import type { LockoutDeps } from '../lockout/lockout.ts';
import { accountLocked, countFailure, lockedUntil } from '../lockout/lockout.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { EndCredentialsDeps, EndKeysStores } from '../session/end-credentials.ts';
import { endCredentials, endCredentialsAndKeys, keysEnded } from '../session/end-credentials.ts';
import type { SessionCredentialsDeps } from '../session/session-credentials.ts';
import { issueCredentials } from '../session/session-credentials.ts';
import type { LoginCredentials } from '../session/login.ts';
import type { RenewSessionDeps } from '../session/renew-session.ts';
import { renewSession } from '../session/renew-session.ts';
import type { SessionStore } from '../session/session-store.ts';
import type { Session } from '../session/session.ts';
import type { Transact } from '../transactions.ts';
import type { AcceptablePasswordDeps } from './acceptable-password.ts';
import { requireAcceptablePassword } from './acceptable-password.ts';
import type { CredentialStore } from '../account/credential-store.ts';
import { getUser } from '../account/get-user.ts';
import type { PasswordHasher } from './password-hasher.ts';
import type { UserStore } from '../account/user-store.ts';
import type { User, UserWithPassword } from '../account/user.ts';

type ChangeStores = EndKeysStores & {
  readonly users: Pick<UserStore, 'raiseEpochs' | 'findById'>;
  readonly credentials: Pick<CredentialStore, 'replacePasswordHash'>;
  readonly sessions: Pick<SessionStore, 'renew'>;
  readonly lockouts: Pick<LockoutStore, 'count' | 'findLocks'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type ChangePasswordDeps = LockoutDeps &
  PublishRevocationsDeps &
  AcceptablePasswordDeps &
  EndCredentialsDeps &
  RenewSessionDeps &
  KnownDeviceDeps &
  SessionCredentialsDeps & {
    readonly users: Pick<UserStore, 'findWithPassword'>;
    readonly lockouts: Pick<LockoutStore, 'findLocks'>;
    readonly passwordHasher: Pick<PasswordHasher, 'hash' | 'verify'>;
    readonly transact: Transact<ChangeStores>;
  };

export type ChangePasswordInput = {
  readonly userId: string;
  /** The calling session. */
  readonly sessionId: string;
  readonly currentPassword: string;
  readonly newPassword: string;
  readonly revokeApiKeys: boolean;
  readonly origin: CallOrigin;
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal;
};

/**
 * Sets a new password. Every session is dead when this resolves, its tokens and its cookie, and so is every reset link, pending challenge, change
 * of address, and token that was exchanged for an API key; the keys themselves too where asked. The calling session alone goes on, by the
 * tokens or the cookie that this answers, and its device is known by the token in the answer. Errors: INVALID_CREDENTIALS, ACCOUNT_LOCKED, PASSWORD_POLICY,
 * PASSWORD_BREACHED, CONFLICT (another call changed the password meanwhile), TOKEN_REVOKED (ended the calling session), USER_NOT_FOUND,
 * OVERLOADED, STORAGE_UNAVAILABLE.
 */
export async function changePassword(
  deps: ChangePasswordDeps,
  input: ChangePasswordInput,
): Promise<LoginCredentials> {
  const user = await deps.users.findWithPassword(input.userId);
  if (user === undefined) throw new DomainError('USER_NOT_FOUND', 'The account does not exist any more.');
  const checkedHash = await checkCurrentPassword(deps, input, user);
  const isSame = input.newPassword === input.currentPassword.normalize('NFC');
  const others = isSame ? [{ field: 'new_password', description: 'must not be the current password' }] : [];
  await requireAcceptablePassword(deps, 'new_password', input.newPassword, user, others);
  const newHash = await deps.passwordHasher.hash(input.newPassword, input.signal);
  const changed = await deps.transact((stores) => replace(deps, stores, input, checkedHash, newHash));
  await publishRevocations(deps, changed.ended);
  // By the id of the session, so that as many changes as one likes give one counter.
  const given = await issueCredentials(deps, changed.user, changed.session);
  return { ...given, device: grantDevice(deps, changed.user, input.sessionId) };
}

async function checkCurrentPassword(
  deps: ChangePasswordDeps,
  input: ChangePasswordInput,
  user: UserWithPassword,
): Promise<string> {
  // The session's own counter: a lock by unknown devices does not keep a session from changing the password.
  const counter = sessionCounter(input.sessionId);
  const end = await lockedUntil(deps.lockouts, counter, deps.clock.now());
  if (end === undefined) {
    const { passwordHash } = user;
    const matches = await deps.passwordHasher.verify(passwordHash, input.currentPassword, input.signal);
    if (passwordHash !== undefined && matches) return passwordHash;
  }
  throw await deps.transact(async (stores) => {
    const lockedBefore = end ?? (await countFailure(deps, stores, counter, user, input.origin));
    const error =
      lockedBefore === undefined
        ? new DomainError('INVALID_CREDENTIALS', 'The current password is wrong.')
        : accountLocked(lockedBefore, deps.clock.now());
    await stores.audit.append(changeEvent(deps, input, { outcome: 'refused', reason: error.reason }));
    return error;
  });
}

type Changed = { readonly ended: readonly Revocation[]; readonly session: Session; readonly user: User };

async function replace(
  deps: ChangePasswordDeps,
  stores: ChangeStores,
  input: ChangePasswordInput,
  checkedHash: string,
  newHash: string,
): Promise<Changed> {
  const now = deps.clock.now();
  const { userId, sessionId, revokeApiKeys, origin } = input;
  const user = await stores.credentials.replacePasswordHash({ userId, checkedHash, newHash, now });
  if (user === undefined)
    throw new DomainError('CONFLICT', 'The password was changed meanwhile. Try again.', {
      retryAfterMs: 100,
    });
  // Looked at and not cleared: else a caller who knows the password could guess other proofs in this session without end.
  const end = await lockedUntil(stores.lockouts, sessionCounter(sessionId), now);
  if (end !== undefined) throw accountLocked(end, now);
  const ending = revokeApiKeys ? endCredentialsAndKeys : endCredentials;
  const ended = await ending(deps, stores, { userId, purposes: ENTRY_PURPOSES, now });
  const renewal = { user, sessionId, endsTokens: true, proof: undefined, now, origin };
  const session = await renewSession(deps, stores, renewal);
  await stores.audit.append(changeEvent(deps, input, { outcome: 'success', ...keysEnded(revokeApiKeys) }));
  const content = {
    template: 'password_changed',
    fullName: user.fullName,
    ipAddress: origin.ipAddress,
    hasEndedKeys: revokeApiKeys,
  } as const;
  await stores.outbox.enqueue({ id: deps.newId(), to: user.email, content, createTime: now });
  return { ended, session, user: await getUser(stores, userId) };
}

function changeEvent(
  deps: Stamp,
  { userId, origin }: ChangePasswordInput,
  ending: Pick<AuditEvent, 'outcome' | 'reason' | 'details'>,
) {
  const who = { accountId: userId, actorId: userId, targetId: userId };
  return auditEvent(deps, { kind: 'account.password_change', ...ending, ...who, origin });
}
