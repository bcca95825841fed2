// Which counter a failure is counted on: unknown devices, known devices, second factors and open sessions each have their own.

import { emailKey } from '../account/email-address.ts';
import type { User } from '../account/user.ts';
import { usernameKey } from '../account/username.ts';
import type { LockoutRule } from './lockout-store.ts';

/** Where a failure is counted. */
export type FailureCounter = {
  /** Its lock is answered by ACCOUNT_LOCKED. */
  readonly key: string;
  /**
   * Counted besides, over all attempts of unknown devices on one account. Its lock is never shown: it would show which identifiers belong
   * together. Undefined where unknown devices cannot reach the counter.
   */
  readonly ceilingKey: string | undefined;
};

/** How many times as many failures as one counter the ceiling takes. */
const CEILING_FACTOR = 4;

/** The rule of ceilings: above what an account's two identifiers can hold at once, so that it is met only by going on. */
export function ceilingRule({ maxFailures, lockMs }: LockoutRule): LockoutRule {
  return { maxFailures: maxFailures * CEILING_FACTOR, lockMs };
}

/**
 * The counter of wrong passwords from devices that are not known: of the identifier as its owner's key has it, whether it has an account or
 * not. So a lock by address does not show by user name.
 */
export function sharedCounter(user: Pick<User, 'id'> | undefined, identifierKey: string): FailureCounter {
  return {
    key: identifierCounterKey(identifierKey),
    ceilingKey: user === undefined ? `unknown:${identifierKey}` : ceilingKey(user),
  };
}

/** The counter of wrong passwords and codes of a known device. */
export function deviceCounter(deviceId: string): FailureCounter {
  return { key: `device:${deviceId}`, ceilingKey: undefined };
}

/** The counter of wrong codes after a right password, from devices that are not known. */
export function codeCounter({ id }: Pick<User, 'id'>): FailureCounter {
  return { key: `user:${id}`, ceilingKey: undefined };
}

/** The counter of what is proved again in an open session: who has no session cannot fill it. */
export function sessionCounter(sessionId: string): FailureCounter {
  return { key: `session:${sessionId}`, ceilingKey: undefined };
}

/** The keys of all counters that unknown devices can fill for the account. */
export function accountCounterKeys(user: Pick<User, 'id' | 'email' | 'username'>): readonly string[] {
  const { email, username } = user;
  const names = username === undefined ? [] : [identifierCounterKey(usernameKey(username))];
  return [identifierCounterKey(emailKey(email)), ...names, ceilingKey(user), codeCounter(user).key];
}

function identifierCounterKey(identifierKey: string): string {
  return `identifier:${identifierKey}`;
}

function ceilingKey({ id }: Pick<User, 'id'>): string {
  return `account:${id}`;
}
