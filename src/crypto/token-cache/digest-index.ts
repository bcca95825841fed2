// Finds the slot of a SHA-256 digest: an open-addressing hash table over digests that are kept in pages.

/** How many slots one page has. */
export const PAGE_SLOTS = 1_024;

const DIGEST_WORDS = 8;
const WORD_BYTES = 4;
const FIRST_TABLE_LENGTH = 2 * PAGE_SLOTS;

/** The digests of one page, in bytes. */
export const DIGEST_PAGE_BYTES = PAGE_SLOTS * DIGEST_WORDS * WORD_BYTES;

/** A SHA-256 digest as eight words. */
export type Digest = Uint32Array;

/** Writes a digest, given as a latin1 text of 32 characters, into `words`. */
export function readDigest(text: string, words: Digest): void {
  for (let word = 0; word < DIGEST_WORDS; word += 1) {
    const at = word * WORD_BYTES;
    words[word] =
      text.charCodeAt(at) |
      (text.charCodeAt(at + 1) << 8) |
      (text.charCodeAt(at + 2) << 16) |
      (text.charCodeAt(at + 3) << 24);
  }
}

/**
 * Slots by digest. Linear probing at a load of at most one half; a deletion moves the entries behind it up, so that no tombstones gather. The
 * whole digest is compared, never a part.
 */
export class DigestIndex {
  readonly #pages: Uint32Array[] = [];
  /** Slot + 1; 0 is empty. The length is a power of two. */
  #table = new Uint32Array(FIRST_TABLE_LENGTH);

  /** What the table takes, in bytes; the digests take DIGEST_PAGE_BYTES for each page. */
  get tableBytes(): number {
    return this.#table.byteLength;
  }

  /** What the table would take with one more page, in bytes. */
  get nextTableBytes(): number {
    const slots = (this.#pages.length + 1) * PAGE_SLOTS;
    return (slots * 2 > this.#table.length ? 2 : 1) * this.#table.byteLength;
  }

  /** Makes room for PAGE_SLOTS more slots. */
  addPage(): void {
    const grown = this.nextTableBytes / WORD_BYTES;
    this.#pages.push(new Uint32Array(PAGE_SLOTS * DIGEST_WORDS));
    if (grown === this.#table.length) return;
    const before = this.#table;
    this.#table = new Uint32Array(grown);
    for (const entry of before) if (entry !== 0) this.#place(entry);
  }

  /** The slot of the digest; -1 when it has none. */
  find(digest: Digest): number {
    const table = this.#table;
    const mask = table.length - 1;
    for (let place = word(digest, 0) & mask; ; place = (place + 1) & mask) {
      const slot = word(table, place) - 1;
      if (slot === -1 || this.#isAt(slot, digest)) return slot;
    }
  }

  /** Gives a slot to a digest that has none. */
  add(digest: Digest, slot: number): void {
    this.#page(slot).set(digest, offset(slot));
    this.#place(slot + 1);
  }

  /** Takes the slot from its digest. */
  delete(slot: number): void {
    const table = this.#table;
    const mask = table.length - 1;
    let hole = this.#home(slot) & mask;
    while (table[hole] !== slot + 1) hole = (hole + 1) & mask;
    for (let place = (hole + 1) & mask; table[place] !== 0; place = (place + 1) & mask) {
      const home = this.#home(word(table, place) - 1) & mask;
      // Stays when its home lies behind the hole, up to its place, going round.
      if (((place - home) & mask) < ((place - hole) & mask)) continue;
      table[hole] = word(table, place);
      hole = place;
    }
    table[hole] = 0;
  }

  #place(entry: number): void {
    const mask = this.#table.length - 1;
    let place = this.#home(entry - 1) & mask;
    while (this.#table[place] !== 0) place = (place + 1) & mask;
    this.#table[place] = entry;
  }

  #home(slot: number): number {
    return word(this.#page(slot), offset(slot));
  }

  #isAt(slot: number, digest: Digest): boolean {
    const page = this.#page(slot);
    const start = offset(slot);
    for (let index = 0; index < DIGEST_WORDS; index += 1)
      if (page[start + index] !== digest[index]) return false;
    return true;
  }

  #page(slot: number): Uint32Array {
    const page = this.#pages[Math.floor(slot / PAGE_SLOTS)];
    if (page === undefined) throw new RangeError(`slot ${slot} has no page`);
    return page;
  }
}

function offset(slot: number): number {
  return (slot % PAGE_SLOTS) * DIGEST_WORDS;
}

function word(words: Uint32Array, index: number): number {
  return words[index] ?? 0;
}
