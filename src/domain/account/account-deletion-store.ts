// Port: what a deletion takes away.

/** An account that has just been deleted. */
export type DeletedAccount = {
  readonly email: string;
  readonly fullName: string;
  /** The lowest `ver` that would be good, were there any. */
  readonly tokenVersion: number;
};

/** Called in a transaction. */
export type AccountDeletionStore = {
  /** How many active accounts but this one have the role. Holds them all, this one included, until the transaction ends. */
  countOthersWithRole(userId: string, role: string): Promise<number>;
  /**
   * Marks the account as deleted: no password, address and user name free again, both epochs raised, API keys revoked, second factors,
   * single-use tokens and known devices gone. Undefined, and nothing is written, unless the account is active and has the role.
   */
  erase(userId: string, role: string, now: number): Promise<DeletedAccount | undefined>;
};
