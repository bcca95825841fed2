// The frames that messages travel in (gRPC, gRPC-Web, streams of Connect): one byte of flags, four of length, the message.

export const ENVELOPE_HEADER_LENGTH = 5;

export const TRUNCATED = 'the request ends in the middle of a message';
export const SECOND_MESSAGE = 'the request holds more than the one message that this method takes';

const COMPRESSED = 1;

/** What is wrong with the flags of a message in a request whose header names `encoding`; undefined when nothing is. */
export function flagFault(flags: number, encoding: string): string | undefined {
  if (flags === 0) return undefined;
  if (flags !== COMPRESSED) return `a message has flags (${flags}) that no request may have`;
  if (encoding === 'identity') return 'a message is marked as compressed, and no encoding is named';
  return undefined;
}

/** One message as it grows. Its bytes are copied, so that no read buffer is kept for a few of them, and the buffer grows as they come: the length is only what the sender says. */
export class Frame {
  readonly #header = Buffer.alloc(ENVELOPE_HEADER_LENGTH);
  #headerLength = 0;
  #body = Buffer.alloc(0);
  #bodyLength = 0;

  get isEmpty(): boolean {
    return this.#headerLength === 0;
  }

  /** How long the message is; 0 until that is known. */
  get length(): number {
    return this.#headerLength === ENVELOPE_HEADER_LENGTH ? this.#header.readUInt32BE(1) : 0;
  }

  /** The flags; 0 until they are known. */
  get flags(): number {
    return this.#header.readUInt8(0);
  }

  get isWhole(): boolean {
    return this.#headerLength === ENVELOPE_HEADER_LENGTH && this.#bodyLength === this.length;
  }

  /** How many bytes of memory are allocated. */
  get heldBytes(): number {
    return this.#body.length;
  }

  /** Takes what belongs to this frame; the rest is left. */
  take(bytes: Uint8Array): Uint8Array {
    if (this.#headerLength < ENVELOPE_HEADER_LENGTH) {
      const head = bytes.subarray(0, ENVELOPE_HEADER_LENGTH - this.#headerLength);
      this.#header.set(head, this.#headerLength);
      this.#headerLength += head.length;
      return bytes.subarray(head.length);
    }
    const part = bytes.subarray(0, this.length - this.#bodyLength);
    this.#grow(this.#bodyLength + part.length);
    this.#body.set(part, this.#bodyLength);
    this.#bodyLength += part.length;
    return bytes.subarray(part.length);
  }

  /** The message; the next frame begins. */
  open(): Buffer {
    const message = this.#body.subarray(0, this.#bodyLength);
    this.#header.fill(0);
    this.#headerLength = 0;
    this.#bodyLength = 0;
    this.#body = Buffer.alloc(0);
    return message;
  }

  #grow(length: number): void {
    if (length <= this.#body.length) return;
    const capacity = Math.min(this.length, Math.max(length, this.#body.length * 2, FIRST_ALLOCATION));
    const body = Buffer.allocUnsafeSlow(capacity);
    this.#body.copy(body, 0, 0, this.#bodyLength);
    this.#body = body;
  }
}

/** Follows the frames of a stream without keeping their bytes. */
export class FrameHeaders {
  readonly #header = Buffer.alloc(ENVELOPE_HEADER_LENGTH);
  #headerLength = 0;
  #left = 0;

  /** Whether the bytes so far end with the end of a message, or there were none. */
  get isBetween(): boolean {
    return this.#headerLength === 0;
  }

  /** Goes on with these bytes; `onFrame` is called for each message whose length becomes known. */
  follow(bytes: Uint8Array, onFrame: (flags: number, length: number) => void): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#headerLength < ENVELOPE_HEADER_LENGTH) {
        const head = bytes.subarray(at, at + ENVELOPE_HEADER_LENGTH - this.#headerLength);
        this.#header.set(head, this.#headerLength);
        this.#headerLength += head.length;
        at += head.length;
        if (this.#headerLength < ENVELOPE_HEADER_LENGTH) return;
        this.#left = this.#header.readUInt32BE(1);
        onFrame(this.#header.readUInt8(0), this.#left);
      } else {
        const part = Math.min(this.#left, bytes.length - at);
        this.#left -= part;
        at += part;
      }
      if (this.#left === 0) this.#headerLength = 0;
    }
  }
}

const FIRST_ALLOCATION = 1_024;

/** The message in a frame of its own. */
export function envelope(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(ENVELOPE_HEADER_LENGTH + message.byteLength);
  framed[0] = 0;
  framed.writeUInt32BE(message.byteLength, 1);
  framed.set(message, ENVELOPE_HEADER_LENGTH);
  return framed;
}
