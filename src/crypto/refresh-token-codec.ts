// Writes and reads refresh tokens: session id, generation and the session's salt, and a MAC over all three.

import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import type { RefreshTokenCodec } from '../domain/session/refresh-token.ts';
import { REFRESH_TOKEN_PREFIX, SALT_LENGTH } from '../domain/session/refresh-token.ts';
import { uuidFromBytes, uuidToBytes } from './uuid-bytes.ts';

const ID_LENGTH = 16;
const GENERATION_LENGTH = 6;
const BODY_LENGTH = ID_LENGTH + GENERATION_LENGTH + SALT_LENGTH;
const MAC_LENGTH = 32;
// 72 bytes are 96 characters of base64url with no spare bits: one token has one spelling.
const TOKEN = new RegExp(`^${REFRESH_TOKEN_PREFIX}[A-Za-z0-9_-]{${((BODY_LENGTH + MAC_LENGTH) * 4) / 3}}$`);

/** Tokens under HMAC-SHA-256 with `key`, a key of their own derived from the master key. */
export function refreshTokenCodec(key: Uint8Array): RefreshTokenCodec {
  const secretKey = createSecretKey(key);
  const macOf = (body: Uint8Array) => createHmac('sha256', secretKey).update(body).digest();

  return {
    write({ sessionId, generation, salt }) {
      const bytes = Buffer.alloc(BODY_LENGTH + MAC_LENGTH);
      bytes.set(uuidToBytes(sessionId));
      bytes.writeUIntBE(generation, ID_LENGTH, GENERATION_LENGTH);
      bytes.set(salt, ID_LENGTH + GENERATION_LENGTH);
      bytes.set(macOf(bytes.subarray(0, BODY_LENGTH)), BODY_LENGTH);
      return REFRESH_TOKEN_PREFIX + bytes.toString('base64url');
    },
    read(token) {
      if (!TOKEN.test(token)) return undefined;
      const bytes = Buffer.from(token.slice(REFRESH_TOKEN_PREFIX.length), 'base64url');
      const body = bytes.subarray(0, BODY_LENGTH);
      if (!timingSafeEqual(bytes.subarray(BODY_LENGTH), macOf(body))) return undefined;
      return {
        sessionId: uuidFromBytes(body.subarray(0, ID_LENGTH)),
        generation: body.readUIntBE(ID_LENGTH, GENERATION_LENGTH),
        salt: body.subarray(ID_LENGTH + GENERATION_LENGTH),
      };
    },
  };
}
