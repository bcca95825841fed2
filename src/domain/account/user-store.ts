// Port: where accounts are kept.

import type { EmailAddress } from './email-address.ts';
import type { Username } from './username.ts';
import type { User, UserWithPassword } from './user.ts';

/** A new account, before it has a history. */
export type NewUser = {
  readonly id: string;
  readonly email: EmailAddress;
  readonly username: Username | undefined;
  readonly fullName: string;
  readonly passwordHash: string | undefined;
  readonly role: string;
  readonly emailVerified: boolean;
  readonly createTime: number;
};

/** The account as it is when it has just been inserted. */
export function openedAccount(user: NewUser): User {
  return {
    id: user.id,
    email: user.email.text,
    username: user.username?.text,
    fullName: user.fullName,
    role: user.role,
    status: 'active',
    emailVerified: user.emailVerified,
    mfaEnabled: false,
    tokenVersion: 1,
    sessionEpoch: 1,
    createTime: user.createTime,
    updateTime: user.createTime,
    lastLoginTime: undefined,
  };
}

/** A login that is about to succeed. */
export type LoginMark = {
  readonly userId: string;
  /** The hash that the password was checked against. */
  readonly checkedHash: string;
  /** Replaces the hash when its parameters are behind. */
  readonly newHash: string | undefined;
  readonly now: number;
};

/** Accounts. Keys are `emailKey` and `usernameKey`. Deleted accounts are not found. */
export type UserStore = {
  /** Adds the account, or answers which unique key is taken; then nothing is written and the transaction goes on. */
  insert(user: NewUser): Promise<'inserted' | 'email_taken' | 'username_taken'>;
  findById(id: string): Promise<User | undefined>;
  findWithPassword(id: string): Promise<UserWithPassword | undefined>;
  /** By e-mail key when the text holds an `@`, else by user name key. */
  findByIdentifier(key: string): Promise<UserWithPassword | undefined>;
  /**
   * Answers the account as it is now; undefined when meanwhile it was suspended or deleted or its password changed. Notes the time of the
   * login, unless a second factor is still asked. Locks the row for update.
   */
  markLogin(mark: LoginMark): Promise<User | undefined>;
  /** Notes a login whose second factor was right. Undefined when the account is not active any more. Locks the row as `markLogin` does. */
  markSecondFactor(userId: string, now: number): Promise<User | undefined>;
  /**
   * Turns the second factor on or off. Undefined when it is so already, or the account is not active. Locks the row as `markLogin` does.
   */
  setMfaEnabled(userId: string, enabled: boolean, now: number): Promise<User | undefined>;
  /**
   * Ends every session and every access token of the user: raises both counters. Answers the new `tokenVersion`; undefined when there is no
   * such user.
   */
  raiseEpochs(userId: string, now: number): Promise<number | undefined>;
};
