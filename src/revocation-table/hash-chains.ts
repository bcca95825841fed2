// Finds rows by their id: a hash table that grows by one chain for each row added, so that no call ever rehashes it whole.

import type { PackedRows } from './packed-rows.ts';
import { NIL } from './packed-rows.ts';
import type { UuidKey } from './uuid-key.ts';

const PAGE_BITS = 12;
const PAGE_LENGTH = 1 << PAGE_BITS;
const FIRST_LENGTH = 64;

/** Linear hashing (Litwin, VLDB 1980) with one row for each chain on average. */
export class HashChains {
  readonly #rows: PackedRows;
  /** Hashes the ids of rows that are moved. */
  readonly #key: UuidKey;
  #heads: Uint32Array[] = [];
  #count = 0;
  /** How many chains there are, and how many there were when the last doubling began. */
  #length = FIRST_LENGTH;
  #base = FIRST_LENGTH;

  constructor(rows: PackedRows, key: UuidKey) {
    this.#rows = rows;
    this.#key = key;
    this.clear();
  }

  get size(): number {
    return this.#count;
  }

  /** The row with the form and the id that `key` has read; NIL without one. Allocates nothing. */
  find(form: number, key: UuidKey): number {
    let row = this.#head(this.#chainOf(key.hash));
    while (row !== NIL && !this.#rows.has(row, form, key)) row = this.#rows.chainLink(row);
    return row;
  }

  /** Adds a row that is not in the table. */
  add(row: number, hash: number): void {
    this.#push(this.#chainOf(hash), row);
    this.#count += 1;
    if (this.#count > this.#length) this.#split();
  }

  /** Removes a row that is in the table. */
  remove(row: number): void {
    const chain = this.#chainOf(this.#rows.hash(row, this.#key));
    const next = this.#rows.chainLink(row);
    this.#count -= 1;
    let previous = this.#head(chain);
    if (previous === row) {
      this.#setHead(chain, next);
      return;
    }
    while (this.#rows.chainLink(previous) !== row) previous = this.#rows.chainLink(previous);
    this.#rows.setChainLink(previous, next);
  }

  /** Removes all rows, and frees the memory. */
  clear(): void {
    this.#heads = [new Uint32Array(PAGE_LENGTH)];
    this.#count = 0;
    this.#length = FIRST_LENGTH;
    this.#base = FIRST_LENGTH;
  }

  /** Divides the next chain in turn between itself and a new last one. */
  #split(): void {
    const from = this.#length - this.#base;
    const to = this.#length;
    if (to >>> PAGE_BITS >= this.#heads.length) this.#heads.push(new Uint32Array(PAGE_LENGTH));
    let row = this.#head(from);
    this.#setHead(from, NIL);
    while (row !== NIL) {
      const next = this.#rows.chainLink(row);
      this.#push((this.#rows.hash(row, this.#key) & this.#base) === 0 ? from : to, row);
      row = next;
    }
    this.#length += 1;
    if (this.#length === 2 * this.#base) this.#base = this.#length;
  }

  #chainOf(hash: number): number {
    const chain = hash & (2 * this.#base - 1);
    return chain < this.#length ? chain : hash & (this.#base - 1);
  }

  #push(chain: number, row: number): void {
    this.#rows.setChainLink(row, this.#head(chain));
    this.#setHead(chain, row);
  }

  #head(chain: number): number {
    return this.#heads[chain >>> PAGE_BITS]?.[chain & (PAGE_LENGTH - 1)] ?? NIL;
  }

  #setHead(chain: number, row: number): void {
    const page = this.#heads[chain >>> PAGE_BITS];
    if (page !== undefined) page[chain & (PAGE_LENGTH - 1)] = row;
  }
}
