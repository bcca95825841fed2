// Writes and reads the values of session cookies: session id and the session's salt, and a MAC over both.

import { SALT_LENGTH } from '../../domain/session/refresh-token.ts';
import type { SessionCookieCodec } from '../../domain/session/session-cookie.ts';
import { SESSION_COOKIE_PREFIX } from '../../domain/session/session-cookie.ts';
import { macToken } from './mac-token.ts';
import { uuidFromBytes, uuidToBytes } from '../uuid-bytes.ts';

const ID_LENGTH = 16;

/** Cookies under HMAC-SHA-256 with `key`, a key of their own. */
export function sessionCookieCodec(key: Uint8Array): SessionCookieCodec {
  const tokens = macToken(SESSION_COOKIE_PREFIX, ID_LENGTH + SALT_LENGTH, key);
  return {
    write: ({ sessionId, salt }) => tokens.write(Buffer.concat([uuidToBytes(sessionId), salt])),
    read(cookie) {
      const body = tokens.open(cookie);
      if (body === undefined) return undefined;
      return { sessionId: uuidFromBytes(body.subarray(0, ID_LENGTH)), salt: body.subarray(ID_LENGTH) };
    },
  };
}
