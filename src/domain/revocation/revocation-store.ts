// Port: revocations in the database, the truth that no cache outlives.

import type { Revocation } from './revocation.ts';

/** A point in the database's history; opaque. Reading on from it misses nothing that commits later. */
export type RevocationCursor = string;

/** The last entry of a page, by which the next one is read. */
export type RevocationPosition = {
  readonly form: Revocation['form'];
  readonly id: string;
  /** The transaction that wrote it. */
  readonly writtenBy: string;
};

/** How many revocations one page holds at most: it is decoded and applied in a few milliseconds. */
export const MAX_PER_PAGE = 250;

export type RevocationPage = {
  readonly revocations: readonly Revocation[];
  /** Where to read on from once all pages have been applied: that of the first page, as what commits between two pages may be on neither. */
  readonly cursor: RevocationCursor;
  /** Where the next page begins; undefined on the last. */
  readonly next?: RevocationPosition | undefined;
  /** When it was read, by the database's clock. Epoch milliseconds. */
  readonly databaseTime: number;
};

export type RevocationStore = {
  /**
   * Writes in the transaction that causes it, and answers what is kept, for the caller to publish after the commit. By the database's clock, a
   * session's and a subject's is kept at least until the last access token has expired that any node may have issued, whatever lifetime it was
   * configured with; `expireTime` bounds that from below. A token's is kept until its `expireTime`.
   */
  insert(revocation: Revocation): Promise<Revocation>;
  /** As `insert`, for one token; false, and nothing is written, when it is revoked for as long already. Waits for another that is writing it. */
  insertNew(revocation: Extract<Revocation, { form: 'token' }>): Promise<boolean>;
  /** Everything live at `now`, page by page: `after` is the `next` of the page before. */
  snapshot(now: number, after?: RevocationPosition): Promise<RevocationPage>;
  /**
   * Everything committed after `cursor` was taken, also by transactions that had begun before. May repeat some; never misses one. All there
   * is when this database has not come as far as `cursor`: it was restored, or is another. Page by page like `snapshot`.
   */
  since(cursor: RevocationCursor, after?: RevocationPosition): Promise<RevocationPage>;
};
