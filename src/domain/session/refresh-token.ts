// Refresh tokens: opaque to clients, a session id and a generation under a MAC to us.

import type { Session } from './session.ts';

/** What every refresh token begins with, so that people and secret scanners know one when they see it. */
export const REFRESH_TOKEN_PREFIX = 'lkrt_';

/** What a refresh token says. The salt is the session's own: a token made for another session's row is invalid. */
export type RefreshTokenContent = {
  readonly sessionId: string;
  readonly generation: number;
  readonly salt: Uint8Array;
};

/** Bytes of a session's salt. */
export const SALT_LENGTH = 18;

/**
 * Whether the token or cookie was written for this very session row. No comparison in constant time: a MAC has vouched for its salt before.
 */
export function isOfSession(
  { salt }: Pick<RefreshTokenContent, 'salt'>,
  session: Pick<Session, 'salt'>,
): boolean {
  return salt.length === session.salt.length && salt.every((byte, index) => byte === session.salt[index]);
}

/** Port: how refresh tokens are written and verified. */
export type RefreshTokenCodec = {
  /** The token of one generation: the same each time for the same content. */
  write(content: RefreshTokenContent): string;
  /** The content of a token that was written here; undefined for anything else. Constant time. Says nothing about the session. */
  read(token: string): RefreshTokenContent | undefined;
};
