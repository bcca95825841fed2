// A person's account.

export type UserStatus = 'active' | 'suspended' | 'deleted';

/** An account as the domain knows it. Times are epoch milliseconds. */
export type User = {
  readonly id: string;
  /** As its owner wrote it. */
  readonly email: string;
  readonly username: string | undefined;
  readonly fullName: string;
  readonly role: string;
  readonly status: UserStatus;
  readonly emailVerified: boolean;
  readonly mfaEnabled: boolean;
  /** Access tokens with a lower `ver` are not good. Raised by whatever must take effect at once. */
  readonly tokenVersion: number;
  /** Sessions opened under a lower epoch are dead. Raised by "log out everywhere". */
  readonly sessionEpoch: number;
  readonly createTime: number;
  readonly updateTime: number;
  readonly lastLoginTime: number | undefined;
};

/** An account with its password hash; never leaves what checks passwords. */
export type UserWithPassword = User & { readonly passwordHash: string | undefined };
