// Keeps rows by the minute in which they expire, so that expired ones are found without a look at the others.

import type { PackedRows } from './packed-rows.ts';
import { NIL } from './packed-rows.ts';

/** An expired row is deleted after this time at the latest, in milliseconds, unless very many expire at once. */
export const BUCKET_MS = 60_000;

/** A row whose expiry is raised stays where it is, and moves when its old bucket is over. */
export class ExpiryBuckets {
  readonly #rows: PackedRows;
  /** The first row of each bucket, by its minute. */
  readonly #heads = new Map<number, number>();

  constructor(rows: PackedRows) {
    this.#rows = rows;
  }

  /** Adds a row that is in no bucket, by its expiry. */
  add(row: number): void {
    const bucket = Math.floor(this.#rows.expireTime(row) / BUCKET_MS);
    this.#rows.setBucketLink(row, this.#heads.get(bucket) ?? NIL);
    this.#heads.set(bucket, row);
  }

  /** Takes up to `max` rows out of the buckets that are over at `horizon`, hands the expired ones to `remove`, and moves the others on. */
  expire(horizon: number, max: number, remove: (row: number) => void): void {
    let left = max;
    for (const [bucket, head] of this.#heads) {
      if ((bucket + 1) * BUCKET_MS > horizon) continue;
      this.#heads.delete(bucket);
      const rest = this.#empty(head, horizon, left, remove);
      left = rest.left;
      if (rest.head !== NIL) this.#heads.set(bucket, rest.head);
      if (left === 0) return;
    }
  }

  /** Leaves every row to the caller. */
  clear(): void {
    this.#heads.clear();
  }

  #empty(
    head: number,
    horizon: number,
    max: number,
    remove: (row: number) => void,
  ): { readonly head: number; readonly left: number } {
    let left = max;
    let row = head;
    for (; row !== NIL && left > 0; left -= 1) {
      const next = this.#rows.bucketLink(row);
      if (this.#rows.expireTime(row) <= horizon) remove(row);
      else this.add(row);
      row = next;
    }
    return { head: row, left };
  }
}
