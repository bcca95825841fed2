// Rows of 44 bytes in slabs of memory that never move: an id, a form, three 48-bit numbers and two links.

import type { UuidKey } from './uuid-key.ts';
import { uuidText } from './uuid-key.ts';

/** No row. */
export const NIL = 0;
/** Numbers are whole, from 0 to this. As epoch milliseconds that is the year 10889. */
export const MAX_NUMBER = 2 ** 48 - 1;
/** Rows of one page. Also the most revocations in one message to a watcher, whose size it keeps below every limit. */
export const PAGE_ROWS = 250;

const SLAB_BITS = 12;
const SLAB_ROWS = 1 << SLAB_BITS;
const SLAB_MASK = SLAB_ROWS - 1;
const TWO_32 = 2 ** 32;

// The words of a row. The id has the first four.
const CHAIN_LINK = 4;
const BUCKET_LINK = 5;
const EXPIRE_LOW = 6;
const REVOKE_LOW = 7;
/** The high halves of both times. */
const TIMES_HIGH = 8;
const VALUE_LOW = 9;
/** The form, 0 in a free row, and the high half of the value. */
const FORM_AND_VALUE_HIGH = 10;
const ROW_WORDS = 11;

/** What a row holds beside its key. Times are epoch milliseconds. */
export type RowNumbers = { readonly revokeTime: number; readonly expireTime: number; readonly value: number };

/** The slabs, and which rows of them are free. Rows are numbered from 1. */
export class PackedRows {
  #slabs: Uint32Array[] = [];
  #next = 1;
  #firstFree = NIL;
  /** For each page how often it has changed. */
  readonly #versions: number[] = [];

  /** A row for the id that `key` has read; everything but id and form is zero or undefined. */
  add(form: number, key: UuidKey): number {
    const row = this.#firstFree === NIL ? this.#extend() : this.#firstFree;
    if (row === this.#firstFree) this.#firstFree = this.chainLink(row);
    const slab = this.#slabOf(row);
    slab.set(key.words, offsetOf(row));
    slab[offsetOf(row) + FORM_AND_VALUE_HIGH] = form << 16;
    return row;
  }

  /** Frees a row that no chain holds any more. */
  remove(row: number): void {
    this.#touch(row);
    this.#setWord(row, FORM_AND_VALUE_HIGH, 0);
    this.setChainLink(row, this.#firstFree);
    this.#firstFree = row;
  }

  /** Frees all rows and their memory. */
  clear(): void {
    this.#slabs = [];
    this.#next = 1;
    this.#firstFree = NIL;
  }

  /** How many pages have ever been in use since the last `clear`. */
  get pageCount(): number {
    return Math.ceil((this.#next - 1) / PAGE_ROWS);
  }

  /** Rises with every change of a row of the page. */
  versionOf(page: number): number {
    return this.#versions[page] ?? 0;
  }

  /** The rows in use of one page, ascending. */
  *rowsOf(page: number): Generator<number, void, undefined> {
    const first = page * PAGE_ROWS + 1;
    const end = Math.min(first + PAGE_ROWS, this.#next);
    for (let row = first; row < end; row += 1) if (this.form(row) !== 0) yield row;
  }

  has(row: number, form: number, { words }: UuidKey): boolean {
    const slab = this.#slabOf(row);
    const offset = offsetOf(row);
    return (
      slab[offset] === words[0] &&
      slab[offset + 1] === words[1] &&
      slab[offset + 2] === words[2] &&
      slab[offset + 3] === words[3] &&
      form === this.form(row)
    );
  }

  /** 0 for a free row. */
  form(row: number): number {
    return this.#word(row, FORM_AND_VALUE_HIGH) >>> 16;
  }

  id(row: number): string {
    return uuidText(this.#slabOf(row), offsetOf(row));
  }

  hash(row: number, key: UuidKey): number {
    return key.hashOf(this.form(row), this.#slabOf(row), offsetOf(row));
  }

  expireTime(row: number): number {
    return (this.#word(row, TIMES_HIGH) & 0xffff) * TWO_32 + this.#word(row, EXPIRE_LOW);
  }

  revokeTime(row: number): number {
    return (this.#word(row, TIMES_HIGH) >>> 16) * TWO_32 + this.#word(row, REVOKE_LOW);
  }

  value(row: number): number {
    return (this.#word(row, FORM_AND_VALUE_HIGH) & 0xffff) * TWO_32 + this.#word(row, VALUE_LOW);
  }

  setNumbers(row: number, { revokeTime, expireTime, value }: RowNumbers): void {
    this.#touch(row);
    const form = this.form(row);
    this.#setWord(row, EXPIRE_LOW, expireTime % TWO_32);
    this.#setWord(row, REVOKE_LOW, revokeTime % TWO_32);
    this.#setWord(row, TIMES_HIGH, (highOf(revokeTime) << 16) | highOf(expireTime));
    this.#setWord(row, VALUE_LOW, value % TWO_32);
    this.#setWord(row, FORM_AND_VALUE_HIGH, (form << 16) | highOf(value));
  }

  /** The next row with the same place in the hash table. */
  chainLink(row: number): number {
    return this.#word(row, CHAIN_LINK);
  }

  setChainLink(row: number, next: number): void {
    this.#setWord(row, CHAIN_LINK, next);
  }

  /** The next row of the same bucket of expiry. */
  bucketLink(row: number): number {
    return this.#word(row, BUCKET_LINK);
  }

  setBucketLink(row: number, next: number): void {
    this.#setWord(row, BUCKET_LINK, next);
  }

  #extend(): number {
    const row = this.#next;
    if (row >>> SLAB_BITS >= this.#slabs.length) this.#slabs.push(new Uint32Array(SLAB_ROWS * ROW_WORDS));
    this.#next += 1;
    return row;
  }

  #touch(row: number): void {
    const page = Math.floor((row - 1) / PAGE_ROWS);
    this.#versions[page] = (this.#versions[page] ?? 0) + 1;
  }

  #slabOf(row: number): Uint32Array {
    return this.#slabs[row >>> SLAB_BITS] ?? NO_SLAB;
  }

  #word(row: number, word: number): number {
    return this.#slabOf(row)[offsetOf(row) + word] ?? 0;
  }

  #setWord(row: number, word: number, value: number): void {
    this.#slabOf(row)[offsetOf(row) + word] = value;
  }
}

const NO_SLAB = new Uint32Array(0);

function offsetOf(row: number): number {
  return (row & SLAB_MASK) * ROW_WORDS;
}

function highOf(number: number): number {
  return Math.floor(number / TWO_32);
}
