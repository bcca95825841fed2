// Service accounts: programs that hold API keys of their own.

/** A new service account. */
export type NewServiceAccount = {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createTime: number;
};

/** Port: where service accounts are kept. */
export type ServiceAccountStore = {
  /** False when the name is taken; then nothing is written. */
  insert(account: NewServiceAccount): Promise<boolean>;
};
