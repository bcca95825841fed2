// Port: what the deletion of an account deletes.

/** Called in a transaction. */
export type AccountDeletionStore = {
  /** How many active accounts but this one have the role. Locks them all for update, this one included. */
  countOthersWithRole(userId: string, role: string): Promise<number>;
  /**
   * Marks the account, whose row the caller has locked, as deleted: no password, address and user name free again, second factors, single-use tokens
   * and known devices gone. Its credentials are for `endCredentialsAndKeys` to end.
   */
  erase(userId: string, now: number): Promise<void>;
};
