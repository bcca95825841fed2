// Collects bytes that come in pieces. They are copied: a piece of a few bytes would keep the whole buffer that it was read into.

/** Bytes so far. */
export class GrowingBuffer {
  #buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** How many bytes of memory are allocated: at most twice the length. */
  get heldBytes(): number {
    return this.#buffer.length;
  }

  /** A view of the bytes; good until the next `append`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  append(piece: Uint8Array): void {
    const length = this.#length + piece.byteLength;
    if (length > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, this.#buffer.length * 2));
      grown.set(this.bytes, 0);
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = length;
  }
}
