// All or none: how use cases write.

/**
 * Runs `work` in one database transaction over the stores it names. The promise: everything that `work` wrote is committed when this
 * resolves, nothing when it rejects. Serialization failures and deadlocks run `work` again, a bounded number of times, so `work` has no
 * effect outside its stores. Errors: STORAGE_UNAVAILABLE when the database cannot be reached, CONFLICT when the retries are used up.
 */
export type Transact<Stores> = <Result>(work: (stores: Stores) => Promise<Result>) => Promise<Result>;
