// Cookies on the wire, of sessions and of known devices: which calls may carry one, and how it is set and deleted.

import type { DeviceGrant } from '../../domain/lockout/device-token.ts';
import type { CookieGrant } from '../../domain/session/session-credentials.ts';

/** `__Host-`: browsers take it from this host alone, over TLS, for all of its paths (RFC 6265bis, section 4.1.3.2). */
export const SESSION_COOKIE_NAME = '__Host-latchkey';
/** The cookie of a known device. It outlives sessions: a device stays known after logout. */
export const DEVICE_COOKIE_NAME = '__Host-latchkey-device';

// Strict, for only the calls of pages carry it: Lax would add it to what other sites link to, which no RPC answers.
const ATTRIBUTES = 'Path=/; HttpOnly; Secure; SameSite=Strict';

// What a form of another site can send without a preflight (text/plain and its kin) is not among them, whatever parameters say.
const CONTENT_TYPE =
  /^application\/(?:json|proto|connect\+(?:json|proto)|grpc-web(?:\+(?:json|proto))?)[ \t]*(?:;|$)/i;

/** What is to be known of a call. */
export type CookieCarrier = {
  headerValues(name: string): readonly string[];
  /** Whether cookies are looked at and set: where a browser may be at the other end, and never for what it may ask by following a link. */
  readonly takesCookies: boolean;
};

/**
 * Why the call may neither show a session cookie nor get one; undefined when it may. Cookies travel with requests that other sites make, so
 * one counts only where the browser says that an allowed origin asked, in a request that no form can send (CSRF, CWE-352). SameSite is the
 * third bar.
 */
export function cookieObstacle(call: CookieCarrier, allowedOrigins: ReadonlySet<string>): string | undefined {
  if (!call.takesCookies)
    return 'must be false over gRPC: cookies are for browsers, over Connect or gRPC-Web';
  const [origin, second] = call.headerValues('origin');
  if (origin === undefined || second !== undefined || !allowedOrigins.has(origin))
    return 'must be false unless a browser calls from an allowed origin';
  const [contentType = ''] = call.headerValues('content-type');
  return CONTENT_TYPE.test(contentType) ? undefined : 'must be false for a request of this content type';
}

/** The values of the cookie of this name that count. */
export function cookieValues(
  name: string,
  call: CookieCarrier,
  allowedOrigins: ReadonlySet<string>,
): readonly string[] {
  if (!call.takesCookies) return [];
  const values = call.headerValues('cookie').flatMap((header) => valuesIn(header, name));
  return values.length === 0 || cookieObstacle(call, allowedOrigins) !== undefined ? [] : values;
}

// Only spaces and tabs stand between cookies: what trims more makes the name out of others, which no browser keeps to this host.
function valuesIn(header: string, wanted: string): readonly string[] {
  return header.split(';').flatMap((pair) => {
    const [, name, value] = /^[ \t]*([^=]*)=(.*?)[ \t]*$/.exec(pair) ?? [];
    return name === wanted && value !== undefined ? [value] : [];
  });
}

/**
 * The header that sets it. The browser keeps it to the session's absolute end: the idle end, which the server holds, moves on also by uses
 * whose answers set nothing, like a gateway's.
 */
export function settingCookie({ cookie, maxAgeMs }: CookieGrant): string {
  return `${SESSION_COOKIE_NAME}=${cookie}; ${ATTRIBUTES}; Max-Age=${Math.floor(maxAgeMs / 1000)}`;
}

/** The header that sets a device's cookie. */
export function settingDeviceCookie({ token, maxAgeMs }: DeviceGrant): string {
  return `${DEVICE_COOKIE_NAME}=${token}; ${ATTRIBUTES}; Max-Age=${Math.floor(maxAgeMs / 1000)}`;
}

/** The header that takes the session's away. */
export const CLEARING_COOKIE = `${SESSION_COOKIE_NAME}=; ${ATTRIBUTES}; Max-Age=0`;
