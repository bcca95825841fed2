// Lockout: so many failures in a row lock a counter for a while; see `failure-counter.ts` for which.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { User } from '../account/user.ts';
import { DomainError } from '../errors.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { FailureCounter } from './failure-counter.ts';
import { accountCounterKeys, ceilingRule } from './failure-counter.ts';
import type { LockoutRule, LockoutStore, Locks } from './lockout-store.ts';

export type LockoutDeps = Stamp & {
  /** NIST SP 800-63B-4, section 3.2.2, allows up to 100 failures. */
  readonly lockoutRule: LockoutRule;
};

export type LockoutStores = {
  readonly lockouts: Pick<LockoutStore, 'count'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

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

/** Until when the counter is locked, as far as that may be shown; undefined when it is not. */
export async function lockedUntil(
  lockouts: Pick<LockoutStore, 'findLocks'>,
  { key }: FailureCounter,
  now: number,
): Promise<number | undefined> {
  return (await lockouts.findLocks([key], now)).get(key);
}

/** Whether the account's ceiling is reached: then every outcome is a wrong password to the caller. */
export function isSilenced(locks: Locks, { ceilingKey }: FailureCounter): boolean {
  return ceilingKey !== undefined && locks.has(ceilingKey);
}

/**
 * Counts a wrong password or code, in a transaction of the caller's that commits though the call is refused. The failure that locks is
 * audited, and the owner, when there is one, is notified by email. Answers until when the counter was locked before this failure: then the
 * failure notifies nobody, and the caller must answer ACCOUNT_LOCKED.
 */
export async function countFailure(
  deps: LockoutDeps,
  stores: LockoutStores,
  { key, ceilingKey }: FailureCounter,
  user: Pick<User, 'id' | 'email' | 'fullName'> | undefined,
  origin: CallOrigin,
): Promise<number | undefined> {
  const { lockoutRule } = deps;
  const now = deps.clock.now();
  const counted = await stores.lockouts.count(key, now, lockoutRule);
  if (counted.lockedUntil !== undefined && !counted.lockedNow) return counted.lockedUntil;
  if (ceilingKey !== undefined) {
    const total = await stores.lockouts.count(ceilingKey, now, ceilingRule(lockoutRule));
    if (total.lockedNow) await auditLock(deps, stores, user, origin, 'account');
  }
  if (!counted.lockedNow) return undefined;
  await auditLock(deps, stores, user, origin, key.slice(0, key.indexOf(':')));
  if (user !== undefined) {
    const content = {
      template: 'account_locked',
      fullName: user.fullName,
      ipAddress: origin.ipAddress,
    } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to: user.email, content, createTime: now });
  }
  return undefined;
}

function auditLock(
  deps: LockoutDeps,
  stores: LockoutStores,
  user: Pick<User, 'id'> | undefined,
  origin: CallOrigin,
  counter: string,
): Promise<void> {
  const account = user === undefined ? {} : { accountId: user.id, targetId: user.id };
  const details = { counter };
  return stores.audit.append(
    auditEvent(deps, { kind: 'account.locked', outcome: 'success', origin, ...account, details }),
  );
}

/**
 * Deletes the failures that unknown devices can make for the account, and lifts their locks; false when there were none. What known devices and open
 * sessions have failed stays: it locks out nobody else.
 */
export function deleteFailures(
  lockouts: Pick<LockoutStore, 'deleteAll'>,
  user: Pick<User, 'id' | 'email' | 'username'>,
): Promise<boolean> {
  return lockouts.deleteAll(accountCounterKeys(user));
}
