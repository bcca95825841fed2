// Port: what the deletion of an account deletes.

/** Called in a transaction. */
export type AccountDeletionStore = {
  /** How many active accounts but this one have the role. Holds them all, this one included, until the transaction ends. */
  countOthersWithRole(userId: string, role: string): Promise<number>;
  /**
   * Marks the account, whose row the caller holds, as deleted: no password, address and user name free again, second factors, single-use tokens
   * and known devices gone. Its credentials are for `endCredentialsAndKeys` to end.
   */
  erase(userId: string, now: number): Promise<void>;
};
