// Writes and reads refresh tokens: session id, generation, and a MAC over both.

import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import type { RefreshTokenCodec, RefreshTokenContent } from '../domain/session/refresh-token.ts';
import { REFRESH_TOKEN_PREFIX } from '../domain/session/refresh-token.ts';
import { uuidFromBytes, uuidToBytes } from './uuid-bytes.ts';

const ID_LENGTH = 16;
const GENERATION_LENGTH = 6;
const MAC_LENGTH = 32;
// 54 bytes are 72 characters of base64url with no spare bits: one token has one spelling.
const TOKEN = new RegExp(
  `^${REFRESH_TOKEN_PREFIX}[A-Za-z0-9_-]{${((ID_LENGTH + GENERATION_LENGTH + MAC_LENGTH) * 4) / 3}}$`,
);

/** Tokens under HMAC-SHA-256 with `key`, a key of their own derived from the master key. */
export function refreshTokenCodec(key: Uint8Array): RefreshTokenCodec {
  const secretKey = createSecretKey(key);
  const bodyOf = (content: RefreshTokenContent): Buffer => {
    const body = Buffer.alloc(ID_LENGTH + GENERATION_LENGTH);
    body.set(uuidToBytes(content.sessionId));
    body.writeUIntBE(content.generation, ID_LENGTH, GENERATION_LENGTH);
    return body;
  };
  const macOf = (body: Buffer, salt: Uint8Array) =>
    createHmac('sha256', secretKey).update(salt).update(body).digest();
  const bytesOf = (token: string) => Buffer.from(token.slice(REFRESH_TOKEN_PREFIX.length), 'base64url');

  return {
    write(content, salt) {
      const body = bodyOf(content);
      return REFRESH_TOKEN_PREFIX + Buffer.concat([body, macOf(body, salt)]).toString('base64url');
    },
    read(token) {
      if (!TOKEN.test(token)) return undefined;
      const bytes = bytesOf(token);
      return {
        sessionId: uuidFromBytes(bytes.subarray(0, ID_LENGTH)),
        generation: bytes.readUIntBE(ID_LENGTH, GENERATION_LENGTH),
      };
    },
    isGenuine(token, content, salt) {
      return timingSafeEqual(bytesOf(token).subarray(-MAC_LENGTH), macOf(bodyOf(content), salt));
    },
  };
}
