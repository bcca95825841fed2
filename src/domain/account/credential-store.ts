// Port: what an account logs in with.

import type { User } from './user.ts';

/** A change of a password whose old one was right a moment ago. */
export type PasswordReplacement = {
  readonly userId: string;
  /** The hash that the old password was checked against. */
  readonly checkedHash: string;
  readonly newHash: string;
  readonly now: number;
};

/** Called in a transaction, but for `findSuperseded`. What replaces or removes a hash keeps it as the superseded one, in place of the one before. */
export type CredentialStore = {
  /** Sets another password and locks the account for update; false, and nothing is written, unless the account is active. */
  setPasswordHash(userId: string, hash: string, now: number): Promise<boolean>;
  /**
   * Compare-and-set of the hash. Answers the account as it is now, locked for update; undefined, and nothing is written,
   * when another hash is stored, or none, or the account is not active.
   */
  replacePasswordHash(replacement: PasswordReplacement): Promise<User | undefined>;
  /** Leaves the account without a password, and locks it for update; false when it has none, or is not active. */
  removePassword(userId: string, now: number): Promise<boolean>;
  /** The hash of the password that the account had before, when it was replaced after `since`. */
  findSuperseded(userId: string, since: number): Promise<string | undefined>;
};
