// Writes and reads API keys: the key's id and 256 bits of secret.

import { createHash, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ApiKeyCodec } from '../domain/api-key/api-key.ts';
import { API_KEY_PREFIX } from '../domain/api-key/api-key.ts';
import { uuidFromBytes, uuidToBytes } from './uuid-bytes.ts';

const ID_LENGTH = 16;
const SECRET_LENGTH = 32;
// 48 bytes are 64 characters of base64url with no spare bits: one key has one spelling.
const KEY = new RegExp(`^${API_KEY_PREFIX}[A-Za-z0-9_-]{${((ID_LENGTH + SECRET_LENGTH) * 4) / 3}}$`);

const digestOf = (secret: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(secret).digest());

/** Keys of 256 random bits need no slow hash: SHA-256 of the secret is what is stored. */
export const apiKeyCodec: ApiKeyCodec = {
  create(id) {
    const secret = randomBytes(SECRET_LENGTH);
    const text = API_KEY_PREFIX + Buffer.concat([uuidToBytes(id), secret]).toString('base64url');
    return { text, digest: digestOf(secret) };
  },
  read(text) {
    if (!KEY.test(text)) return undefined;
    const bytes = Buffer.from(text.slice(API_KEY_PREFIX.length), 'base64url');
    return { id: uuidFromBytes(bytes.subarray(0, ID_LENGTH)), digest: digestOf(bytes.subarray(ID_LENGTH)) };
  },
  sameDigest(left, right) {
    return left.length === right.length && timingSafeEqual(left, right);
  },
  fingerprint(text) {
    return hash('sha256', text, 'base64url');
  },
};
