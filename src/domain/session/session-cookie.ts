// Session cookies: what a browser shows in place of tokens. Opaque to it, a session id under a MAC to us.

/** What every session cookie's value begins with, so that people and secret scanners know one when they see it. */
export const SESSION_COOKIE_PREFIX = 'lksc_';

/** What a cookie says. It names no generation: it stays the same for as long as its session lives. */
export type SessionCookieContent = {
  readonly sessionId: string;
  /** The session's own: a cookie that was made for another session's row is none. */
  readonly salt: Uint8Array;
};

/** Port: how cookies are written and verified. Their key is not that of refresh tokens: neither is ever good for the other. */
export type SessionCookieCodec = {
  write(content: SessionCookieContent): string;
  /** The content of a cookie that was written here; undefined for anything else. Constant time. Says nothing about the session. */
  read(cookie: string): SessionCookieContent | undefined;
};
