// Reads a UUID's text into four 32-bit words and a keyed hash, without allocating.

/** The length of a UUID in its canonical text form (RFC 9562, section 4). */
const TEXT_LENGTH = 36;
const HYPHEN = 0x2d;
const BYTES = 16;
/** How many kinds of key a hash can tell apart. */
const KINDS = 4;
/** How many random words the hash needs. */
export const HASH_WORDS = KINDS + BYTES * 256;

/** The value of a lower-case hexadecimal digit by its character code; -1 for all else. */
const DIGIT_VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < 16; value += 1) DIGIT_VALUES[value.toString(16).charCodeAt(0)] = value;

/**
 * A reusable key. `read` fills `words` and `hash`. The hash is simple tabulation (Pătraşcu and Thorup, "The Power of Simple Tabulation Hashing",
 * 2012) over the kind and the 16 bytes. Its tables are random, so that nobody outside the process can choose ids that collide.
 */
export class UuidKey {
  readonly words = new Uint32Array(4);
  hash = 0;
  readonly #tables: Uint32Array;

  /** `tables` are the HASH_WORDS words of the hash; tests give their own to force collisions. */
  constructor(tables: Uint32Array = crypto.getRandomValues(new Uint32Array(HASH_WORDS))) {
    this.#tables = tables;
  }

  /** Takes the canonical lower-case text of a UUID. False for any other text, and nothing changes then. `kind` is below KINDS. */
  read(kind: number, text: string): boolean {
    if (!hasHyphens(text)) return false;
    const a = fourDigits(text, 0);
    const b = fourDigits(text, 4);
    const c = fourDigits(text, 9);
    const d = fourDigits(text, 14);
    const e = fourDigits(text, 19);
    const f = fourDigits(text, 24);
    const g = fourDigits(text, 28);
    const h = fourDigits(text, 32);
    if ((a | b | c | d | e | f | g | h) < 0) return false;
    const { words } = this;
    words[0] = (a << 16) | b;
    words[1] = (c << 16) | d;
    words[2] = (e << 16) | f;
    words[3] = (g << 16) | h;
    this.hash = this.hashOf(kind, words, 0);
    return true;
  }

  /** The hash of four words, as `read` makes it of their text. */
  hashOf(kind: number, words: Uint32Array, offset: number): number {
    const tables = this.#tables;
    return (
      ((tables[kind] ?? 0) ^
        hashOfWord(tables, KINDS, words[offset] ?? 0) ^
        hashOfWord(tables, KINDS + 1_024, words[offset + 1] ?? 0) ^
        hashOfWord(tables, KINDS + 2_048, words[offset + 2] ?? 0) ^
        hashOfWord(tables, KINDS + 3_072, words[offset + 3] ?? 0)) >>>
      0
    );
  }
}

/** The canonical text of four words. */
export function uuidText(words: Uint32Array, offset: number): string {
  const hex = [0, 1, 2, 3].map((word) => (words[offset + word] ?? 0).toString(16).padStart(8, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function hasHyphens(text: string): boolean {
  return (
    text.length === TEXT_LENGTH &&
    text.charCodeAt(8) === HYPHEN &&
    text.charCodeAt(13) === HYPHEN &&
    text.charCodeAt(18) === HYPHEN &&
    text.charCodeAt(23) === HYPHEN
  );
}

/** Sixteen bits; negative when a character is no digit. */
function fourDigits(text: string, position: number): number {
  return (
    (digit(text, position) << 12) |
    (digit(text, position + 1) << 8) |
    (digit(text, position + 2) << 4) |
    digit(text, position + 3)
  );
}

function digit(text: string, position: number): number {
  return DIGIT_VALUES[text.charCodeAt(position)] ?? -1;
}

function hashOfWord(tables: Uint32Array, first: number, word: number): number {
  return (
    (tables[first + (word >>> 24)] ?? 0) ^
    (tables[first + 256 + ((word >>> 16) & 255)] ?? 0) ^
    (tables[first + 512 + ((word >>> 8) & 255)] ?? 0) ^
    (tables[first + 768 + (word & 255)] ?? 0)
  );
}
