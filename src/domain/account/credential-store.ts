// Port: what an account logs in with.

/** Called in a transaction. */
export type CredentialStore = {
  /** Sets another password and holds the account until the transaction ends; false, and nothing is written, unless the account is active. */
  setPasswordHash(userId: string, hash: string, now: number): Promise<boolean>;
};
