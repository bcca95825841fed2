// Opaque tokens that carry their content under a MAC: a prefix, and content and MAC together in base64url.

import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';

const MAC_LENGTH = 32;

/** Writes and opens tokens of one kind. */
export type MacToken = {
  write(body: Uint8Array): string;
  /** The body of a token that was written under this key; undefined for anything else. Constant time. */
  open(token: string): Buffer | undefined;
};

/**
 * Tokens with bodies of `bodyLength` bytes under HMAC-SHA-256 with `key`. Errors: RangeError for a length with which a token would have more
 * than one spelling.
 */
export function macToken(prefix: string, bodyLength: number, key: Uint8Array): MacToken {
  const length = bodyLength + MAC_LENGTH;
  // Three bytes are four characters of base64url with no spare bits: one token has one spelling.
  if (length % 3 !== 0) throw new RangeError(`a token of ${length} bytes has spare bits`);
  const pattern = new RegExp(`^${prefix}[A-Za-z0-9_-]{${(length * 4) / 3}}$`);
  const secretKey = createSecretKey(key);
  const macOf = (body: Uint8Array) => createHmac('sha256', secretKey).update(body).digest();
  return {
    write: (body) => prefix + Buffer.concat([body, macOf(body)]).toString('base64url'),
    open(token) {
      if (!pattern.test(token)) return undefined;
      const bytes = Buffer.from(token.slice(prefix.length), 'base64url');
      const body = bytes.subarray(0, bodyLength);
      return timingSafeEqual(bytes.subarray(bodyLength), macOf(body)) ? body : undefined;
    },
  };
}
