// Reads the tokens out of encoded ValidateTokenRequest messages that hold nothing else, without decoding the messages.

import { MAX_TOKEN_LENGTH } from './decode.ts';

/** Field 1, length-delimited: `ValidateTokenRequest.token`, and `BatchValidateTokensRequest.requests`. */
const FIELD_1 = 0x0a;
/** A length of more bytes is longer than any message that is taken here. */
const MAX_LENGTH_BYTES = 4;
const PLAIN = /^[\x21-\x7E]+$/;

/** The token of a ValidateTokenRequest; undefined for a message that holds anything else, holds no token or is malformed. */
export function tokenIn(request: Buffer): Buffer | undefined {
  const cursor = new Cursor(request);
  const end = cursor.enter();
  return end === request.length ? cursor.take(end) : undefined;
}

/** The tokens of a BatchValidateTokensRequest of at most `max` requests; undefined for one that holds more, or anything that tokenIn does not take. */
export function tokensIn(batch: Buffer, max: number): readonly Buffer[] | undefined {
  const tokens: Buffer[] = [];
  const cursor = new Cursor(batch);
  while (!cursor.isAtEnd) {
    const requestEnd = cursor.enter();
    const tokenEnd = cursor.enter();
    const token = tokenEnd === requestEnd ? cursor.take(tokenEnd) : undefined;
    if (token === undefined || tokens.length === max) return undefined;
    tokens.push(token);
  }
  return tokens.length === 0 ? undefined : tokens;
}

/** The token as a text; undefined unless it is printable ASCII and no longer than a token may be. */
export function textOf(token: Buffer): string | undefined {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  const text = token.toString('latin1');
  return PLAIN.test(text) ? text : undefined;
}

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Moves to what FIELD_1 holds here, and tells where that ends; -1 when it is not here, or not whole. */
  enter(): number {
    if (this.#bytes[this.#at] !== FIELD_1) return -1;
    this.#at += 1;
    let length = 0;
    for (let index = 0; index < MAX_LENGTH_BYTES; index += 1) {
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      length |= (byte & 0x7f) << (7 * index);
      if (byte >= 0x80) continue;
      const end = this.#at + length;
      return end > this.#bytes.length ? -1 : end;
    }
    return -1;
  }

  /** The bytes up to `end`; undefined when there are none. */
  take(end: number): Buffer | undefined {
    if (end <= this.#at) return undefined;
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
