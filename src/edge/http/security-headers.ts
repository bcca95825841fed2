// Headers that keep browsers from doing more with an answer than it is for.

/** Which hosts a browser that has been here once is to reach by https alone from then on: this one, those below it too, or none. */
export type Hsts = 'host' | 'subdomains' | 'off';

const HSTS: Readonly<Record<Hsts, readonly string[]>> = {
  host: ['strict-transport-security', 'max-age=31536000'],
  subdomains: ['strict-transport-security', 'max-age=31536000; includeSubDomains'],
  off: [],
};

const BASE: readonly string[] = Object.entries({
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}).flat();

/** All of them, pairs of name and value; HSTS only where the connection is TLS (RFC 6797, section 7.2). */
export function securityHeaders(hsts: Hsts): readonly string[] {
  return [...BASE, ...HSTS[hsts]];
}
