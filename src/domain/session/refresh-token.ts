// Refresh tokens: opaque to clients, a session id and a generation under a MAC to us.

/** What every refresh token begins with, so that people and secret scanners know one when they see it. */
export const REFRESH_TOKEN_PREFIX = 'lkrt_';

/** What a refresh token says, before anyone believes it. */
export type RefreshTokenContent = { readonly sessionId: string; readonly generation: number };

/** Port: how refresh tokens are written and told from forged ones. */
export type RefreshTokenCodec = {
  /** The token of one generation: the same each time for the same session, salt and generation. */
  write(content: RefreshTokenContent, salt: Uint8Array): string;
  /** The content of a well-formed token; undefined for anything else. Proves nothing yet. */
  read(token: string): RefreshTokenContent | undefined;
  /** Whether this token was written for this session. Constant time. */
  isGenuine(token: string, content: RefreshTokenContent, salt: Uint8Array): boolean;
};
