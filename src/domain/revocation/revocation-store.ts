// Port: revocations in the database, the truth that no cache outlives.

import type { Revocation } from './revocation.ts';

/** A point in the database's history; opaque. Reading on from it misses nothing that commits later. */
export type RevocationCursor = string;

export type RevocationPage = {
  readonly revocations: readonly Revocation[];
  readonly cursor: RevocationCursor;
};

export type RevocationStore = {
  /** Writes in the transaction that causes it. */
  insert(revocation: Revocation): Promise<void>;
  /** Everything live at `now`. */
  snapshot(now: number): Promise<RevocationPage>;
  /**
   * Everything committed after `cursor` was taken, also by transactions that had begun before. May repeat some; never misses one. All there
   * is when this database has not come as far as `cursor`: it was restored, or is another.
   */
  since(cursor: RevocationCursor): Promise<RevocationPage>;
};
