// ConfirmTotp: the first code of an authenticator app turns the second factor on.

import { getUser } from '../account/get-user.ts';
import type { UserStore } from '../account/user-store.ts';
import type { CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import type { ActionTokenStore } from '../action-token/action-token.ts';
import { DomainError } from '../errors.ts';
import type { DeviceGrant, KnownDeviceDeps } from '../lockout/device-token.ts';
import { grantDevice } from '../lockout/device-token.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import type { LockoutStores } from '../lockout/lockout.ts';
import { sessionCounter } from '../lockout/failure-counter.ts';
import { accountLocked, lockedUntil } from '../lockout/lockout.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { EndOtherSessionsDeps } from '../session/end-other-sessions.ts';
import { endOtherSessions } from '../session/end-other-sessions.ts';
import type { SessionStore } from '../session/session-store.ts';
import type { Transact } from '../transactions.ts';
import type { BackupCodes, NewBackupCode } from './backup-code.ts';
import { newBackupCodes } from './backup-code.ts';
import type { CodeAttempt, CodeAttemptDeps } from './code-attempt.ts';
import { refuseAttempt, refuseWrongCode, requireUnlockedAttempt } from './code-attempt.ts';
import { mfaAlreadyEnabled } from './enroll-totp.ts';
import type { TotpStore } from './totp-store.ts';
import type { Totp, TotpFactor, TotpSecrets } from './totp.ts';
import { PENDING_MS } from './totp.ts';

type ConfirmStores = LockoutStores & {
  readonly users: Pick<UserStore, 'setMfaEnabled' | 'findById'>;
  readonly sessions: Pick<SessionStore, 'endOthers'>;
  readonly totpFactors: Pick<TotpStore, 'confirm' | 'replaceBackupCodes'>;
  readonly actionTokens: Pick<ActionTokenStore, 'deleteAll'>;
  readonly lockouts: Pick<LockoutStore, 'findLocks'>;
};

export type ConfirmTotpDeps = CodeAttemptDeps &
  PublishRevocationsDeps &
  KnownDeviceDeps &
  EndOtherSessionsDeps & {
    readonly users: Pick<UserStore, 'findById'>;
    readonly totpFactors: Pick<TotpStore, 'find'>;
    readonly totp: Pick<Totp, 'matchedStep'>;
    readonly totpSecrets: Pick<TotpSecrets, 'unseal'>;
    readonly backupCodes: BackupCodes;
    readonly transact: Transact<ConfirmStores>;
  };

export type ConfirmTotpInput = {
  readonly userId: string;
  /** The calling session, the only one that lives on. */
  readonly sessionId: string;
  /** As `readTotpCode` answers it. */
  readonly code: string;
  readonly origin: CallOrigin;
};

/** What turning it on answers. */
export type TotpConfirmed = {
  readonly backupCodes: readonly string[];
  /** What the calling device is known by from now on. */
  readonly device: DeviceGrant;
};

/**
 * Turns the second factor on, ends every other session (none of them has shown it), and answers the backup codes, which are never shown again.
 * The code is used up by it. Errors: MFA_NOT_PENDING, MFA_ALREADY_ENABLED, MFA_CODE_INVALID, ACCOUNT_LOCKED, TOKEN_REVOKED, USER_NOT_FOUND,
 * STORAGE_UNAVAILABLE.
 */
export async function confirmTotp(deps: ConfirmTotpDeps, input: ConfirmTotpInput): Promise<TotpConfirmed> {
  const { userId, sessionId, origin } = input;
  const user = await deps.users.findById(userId);
  if (user === undefined) throw new DomainError('USER_NOT_FOUND', 'The account does not exist any more.');
  const counter = sessionCounter(sessionId);
  const attempt = { user, counter, event: { kind: 'mfa.enable', actorId: userId, origin } } as const;
  await requireUnlockedAttempt(deps, attempt);
  const factor = await deps.totpFactors.find(userId);
  if (factor?.confirmTime !== undefined) throw mfaAlreadyEnabled();
  if (factor === undefined || deps.clock.now() - factor.createTime > PENDING_MS) throw notPending();

  const secret = deps.totpSecrets.unseal(userId, factor.sealedSecret);
  const step = deps.totp.matchedStep(secret, input.code, deps.clock.now());
  if (step === undefined) return refuseWrongCode(deps, attempt);
  const codes = newBackupCodes(deps.backupCodes, userId);
  const { revoked, user: enabled } = await deps
    .transact((stores: ConfirmStores) => enable(deps, stores, input, factor, step, codes))
    .catch((error: unknown) => refuseIfLocked(deps, attempt, error));
  await publishRevocations(deps, revoked);
  return { backupCodes: codes.map(({ text }) => text), device: grantDevice(deps, enabled, sessionId) };
}

function notPending(): DomainError {
  return new DomainError('MFA_NOT_PENDING', 'No enrolment waits for a code. Begin again with EnrollTotp.');
}

async function refuseIfLocked(deps: ConfirmTotpDeps, attempt: CodeAttempt, error: unknown): Promise<never> {
  if (error instanceof DomainError && error.reason === 'ACCOUNT_LOCKED')
    return refuseAttempt(deps, attempt, error);
  throw error;
}

async function enable(
  deps: ConfirmTotpDeps,
  stores: ConfirmStores,
  { userId, sessionId, origin }: ConfirmTotpInput,
  factor: TotpFactor,
  step: number,
  codes: readonly NewBackupCode[],
) {
  const now = deps.clock.now();
  const user = await stores.users.setMfaEnabled(userId, true, now);
  if (user === undefined) throw mfaAlreadyEnabled();
  const end = await lockedUntil(stores.lockouts, sessionCounter(sessionId), now);
  if (end !== undefined) throw accountLocked(end, now);
  if (!(await stores.totpFactors.confirm(factor, step, now))) throw notPending();
  const digests = codes.map(({ digest }) => digest);
  await stores.totpFactors.replaceBackupCodes(userId, digests);
  await stores.actionTokens.deleteAll(userId, ['mfa_challenge']);
  const revoked = await endOtherSessions(deps, stores, { userId, sessionId, amr: ['otp', 'mfa'], now });
  const who = { accountId: userId, actorId: userId, targetId: userId };
  await stores.audit.append(auditEvent(deps, { kind: 'mfa.enable', outcome: 'success', ...who, origin }));
  const { fullName } = user;
  const content = { template: 'mfa_enabled', fullName, ipAddress: origin.ipAddress } as const;
  await stores.outbox.enqueue({ id: deps.newId(), to: user.email, content, createTime: now });
  return { revoked, user: await getUser(stores, userId) };
}
