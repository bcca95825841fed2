// Writes and reads refresh tokens: session id, generation and the session's salt, and a MAC over all three.

import type { RefreshTokenCodec } from '../../domain/session/refresh-token.ts';
import { REFRESH_TOKEN_PREFIX, SALT_LENGTH } from '../../domain/session/refresh-token.ts';
import { macToken } from './mac-token.ts';
import { uuidFromBytes, uuidToBytes } from '../uuid-bytes.ts';

const ID_LENGTH = 16;
const GENERATION_LENGTH = 6;
const BODY_LENGTH = ID_LENGTH + GENERATION_LENGTH + SALT_LENGTH;

/** Tokens under HMAC-SHA-256 with `key`, a key of their own. */
export function refreshTokenCodec(key: Uint8Array): RefreshTokenCodec {
  const tokens = macToken(REFRESH_TOKEN_PREFIX, BODY_LENGTH, key);
  return {
    write({ sessionId, generation, salt }) {
      const body = Buffer.alloc(BODY_LENGTH);
      body.set(uuidToBytes(sessionId));
      body.writeUIntBE(generation, ID_LENGTH, GENERATION_LENGTH);
      body.set(salt, ID_LENGTH + GENERATION_LENGTH);
      return tokens.write(body);
    },
    read(token) {
      const body = tokens.open(token);
      if (body === undefined) return undefined;
      return {
        sessionId: uuidFromBytes(body.subarray(0, ID_LENGTH)),
        generation: body.readUIntBE(ID_LENGTH, GENERATION_LENGTH),
        salt: body.subarray(ID_LENGTH + GENERATION_LENGTH),
      };
    },
  };
}
