// Port: revocations in the database, the truth that no cache outlives.

import type { Revocation } from './revocation.ts';

/** A point in the database's history; opaque. Reading on from it misses nothing that commits later. */
export type RevocationCursor = string;

export type RevocationPage = {
  readonly revocations: readonly Revocation[];
  readonly cursor: RevocationCursor;
  /** When it was read, by the database's clock. Epoch milliseconds. */
  readonly databaseTime: number;
};

export type RevocationStore = {
  /**
   * Writes in the transaction that causes it, and answers what is kept, for the caller to announce after the commit. By the database's clock, a
   * session's and a subject's is kept at least until the last access token has expired that any node may have issued, whatever lifetime it was
   * configured with; `expireTime` bounds that from below. A token's is kept until its `expireTime`.
   */
  insert(revocation: Revocation): Promise<Revocation>;
  /** As `insert`, for one token; false, and nothing is written, when it is revoked for as long already. Waits for another that is writing it. */
  insertNew(revocation: Extract<Revocation, { form: 'token' }>): Promise<boolean>;
  /** Everything live at `now`. */
  snapshot(now: number): Promise<RevocationPage>;
  /**
   * Everything committed after `cursor` was taken, also by transactions that had begun before. May repeat some; never misses one. All there
   * is when this database has not come as far as `cursor`: it was restored, or is another.
   */
  since(cursor: RevocationCursor): Promise<RevocationPage>;
};
