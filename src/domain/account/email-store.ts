// Port: an account's address, and whether it is proved.

import type { EmailAddress } from './email-address.ts';
import type { User } from './user.ts';

/** Called in a transaction. Keys are `emailKey`. Deleted accounts are not found. */
export type EmailStore = {
  /** Locks the account for update, so that what is done to it and its tokens is done one after the other. */
  lockById(id: string): Promise<User | undefined>;
  /** As `lockById`, the account whose address has this key. */
  lockByKey(key: string): Promise<User | undefined>;
  /** The account whose address has this key, as it is now. */
  findByKey(key: string): Promise<User | undefined>;
  /**
   * Notes that the address with this key is proved, for the first time or again, and locks the account for update; undefined
   * when it is not the account's, or the account is not active.
   */
  markVerified(userId: string, key: string, now: number): Promise<'first' | 'again' | undefined>;
  /** Gives the account another address, which is proved; 'taken' when another account has it: then nothing is written and the transaction goes on. */
  replace(userId: string, email: EmailAddress, now: number): Promise<'replaced' | 'taken'>;
};
