// Lockout: five failures in a row lock an account for a quarter of an hour, for everyone, wherever the failures were made.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { User } from '../account/user.ts';
import { DomainError } from '../errors.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { LockoutRule, LockoutStore } from './lockout-store.ts';

/** Features, "Lockout"; NIST SP 800-63B-4, section 3.2.2, allows up to 100 failures. */
export const LOCKOUT_RULE: LockoutRule = { maxFailures: 5, lockMs: 15 * 60_000 };

export type LockoutStores = {
  readonly lockouts: Pick<LockoutStore, 'count'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

/**
 * Under what failures are counted: the account's id, whichever of its identifiers was typed; for an identifier without an account, the
 * identifier's own key, so that an unknown account locks like any other.
 */
export function lockoutKey(user: Pick<User, 'id'> | undefined, identifierKey: string): string {
  return user === undefined ? `unknown:${identifierKey}` : `user:${user.id}`;
}

/** ACCOUNT_LOCKED until `lockedUntil`. */
export function accountLocked(lockedUntil: number, now: number): DomainError {
  const retryAfterMs = Math.max(1_000, lockedUntil - now);
  const minutes = Math.ceil(retryAfterMs / 60_000);
  return new DomainError(
    'ACCOUNT_LOCKED',
    `Too many failed attempts. Try again in ${minutes} minute${minutes === 1 ? '' : 's'}.`,
    { retryAfterMs },
  );
}

/**
 * Counts a wrong password or code, in a transaction of the caller's that commits though the call is refused. The failure that locks is
 * audited, and the owner, when there is one, is told by mail. Answers until when the account was locked before this failure: then the
 * failure is nobody's news, and the caller must answer ACCOUNT_LOCKED.
 */
export async function countFailure(
  deps: Stamp,
  stores: LockoutStores,
  key: string,
  user: Pick<User, 'id' | 'email' | 'fullName'> | undefined,
  origin: CallOrigin,
): Promise<number | undefined> {
  const now = deps.clock.now();
  const { lockedUntil, lockedNow } = await stores.lockouts.count(key, now, LOCKOUT_RULE);
  if (!lockedNow) return lockedUntil;
  const account = user === undefined ? {} : { accountId: user.id, targetId: user.id };
  await stores.audit.append(
    auditEvent(deps, { kind: 'account.locked', outcome: 'success', origin, ...account }),
  );
  if (user !== undefined) {
    const letter = {
      template: 'account_locked',
      fullName: user.fullName,
      ipAddress: origin.ipAddress,
    } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to: user.email, letter, createTime: now });
  }
  return undefined;
}
