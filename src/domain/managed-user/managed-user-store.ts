// Port: accounts as administrators deal with them.

import type { EmailAddress } from '../account/email-address.ts';
import type { ProfileChange } from '../account/profile-store.ts';
import type { User } from '../account/user.ts';

/** An account with what only administrators see of it. */
export type ManagedUser = {
  readonly user: User;
  /** Its id in the system that it was imported from. */
  readonly externalId: string | undefined;
  readonly hasPassword: boolean;
  /** Undefined unless it is suspended. */
  readonly suspensionReason: string | undefined;
};

/** One field with its new value. */
export type ManagedChange =
  | ProfileChange
  | { readonly field: 'email'; readonly email: EmailAddress }
  | { readonly field: 'email_verified'; readonly emailVerified: boolean };

/**
 * Active and suspended accounts; deleted ones are not there. All but `find` and `lock` are called in a transaction, with the account locked, and
 * answer it as it is then.
 */
export type ManagedUserStore = {
  find(id: string): Promise<ManagedUser | undefined>;
  /**
   * Locks the account until the transaction ends, for update or for share. A transaction that locks two
   * begins with the lower id.
   */
  lock(id: string, mode: 'for_update' | 'for_share'): Promise<User | undefined>;
  /** Keeps the role from being deleted until the transaction ends; false when there is none such. */
  lockRole(name: string): Promise<boolean>;
  /** When something is taken the transaction can write nothing any more, so the caller must throw. */
  update(
    id: string,
    changes: readonly ManagedChange[],
    now: number,
  ): Promise<User | 'email_taken' | 'username_taken'>;
  /** There must be such a role. */
  setRole(id: string, role: string, now: number): Promise<User>;
  suspend(id: string, reason: string, now: number): Promise<User>;
  /** Also clears the reason of the suspension. */
  reactivate(id: string, now: number): Promise<User>;
  /** Says that the account has no second factor; the factor itself is the TotpStore's. */
  turnOffMfa(id: string, now: number): Promise<User>;
};
