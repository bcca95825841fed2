// Writes and reads API keys: the key's id, 256 bits of secret, and a checksum that only this installation can make.

import { createHash, createHmac, createSecretKey, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ApiKeyCodec } from '../../domain/api-key/api-key.ts';
import { API_KEY_PREFIX } from '../../domain/api-key/api-key.ts';
import { uuidFromBytes, uuidToBytes } from '../uuid-bytes.ts';

const ID_LENGTH = 16;
const SECRET_LENGTH = 32;
const BODY_LENGTH = ID_LENGTH + SECRET_LENGTH;
/** 72 bits: no text that passes is found by trying. */
const CHECKSUM_LENGTH = 9;
// Three bytes are four characters of base64url with no spare bits: one key has one spelling.
const CHARACTERS = ((BODY_LENGTH + CHECKSUM_LENGTH) * 4) / 3;
const OLD_CHARACTERS = (BODY_LENGTH * 4) / 3;
// docs/api.md documents the same for secret scanners.
const KEY = new RegExp(
  `^${API_KEY_PREFIX}(?:[A-Za-z0-9_-]{${OLD_CHARACTERS}}|[A-Za-z0-9_-]{${CHARACTERS}})$`,
);

const digestOf = (secret: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(secret).digest());

/**
 * Keys of 256 random bits need no slow hash: SHA-256 of the secret is what is stored. The checksum is a truncated HMAC-SHA-256 under
 * `checksumKey`, so that a made-up key is recognized without a look into the database; keys from before it have none.
 */
export function apiKeyCodec(checksumKey: Uint8Array): ApiKeyCodec {
  const secretKey = createSecretKey(checksumKey);
  const checksumOf = (body: Uint8Array) =>
    createHmac('sha256', secretKey).update(body).digest().subarray(0, CHECKSUM_LENGTH);
  return {
    create(id) {
      const secret = randomBytes(SECRET_LENGTH);
      const body = Buffer.concat([uuidToBytes(id), secret]);
      const text = API_KEY_PREFIX + Buffer.concat([body, checksumOf(body)]).toString('base64url');
      return { text, digest: digestOf(secret) };
    },
    read(text) {
      if (!KEY.test(text)) return undefined;
      const bytes = Buffer.from(text.slice(API_KEY_PREFIX.length), 'base64url');
      const body = bytes.subarray(0, BODY_LENGTH);
      const checksum = bytes.subarray(BODY_LENGTH);
      const hasChecksum = checksum.length > 0;
      if (hasChecksum && !timingSafeEqual(checksum, checksumOf(body))) return undefined;
      const id = uuidFromBytes(body.subarray(0, ID_LENGTH));
      return { id, digest: digestOf(body.subarray(ID_LENGTH)), hasChecksum };
    },
    sameDigest(left, right) {
      return left.length === right.length && timingSafeEqual(left, right);
    },
    fingerprint(text) {
      return hash('sha256', text, 'base64url');
    },
  };
}
