// Headers that keep browsers from doing more with an answer than it is for.

import type { HttpResponse } from './response.ts';

/** Which hosts a browser that has been here once is to reach by https alone from then on: this one, those below it too, or none. */
export type Hsts = 'host' | 'subdomains' | 'off';

const HSTS: Readonly<Record<Hsts, string | undefined>> = {
  host: 'max-age=31536000',
  subdomains: 'max-age=31536000; includeSubDomains',
  off: undefined,
};

/** Sets them all; HSTS only where the connection is TLS (RFC 6797, section 7.2). */
export function setSecurityHeaders(response: HttpResponse, hsts: Hsts): void {
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('x-frame-options', 'DENY');
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('permissions-policy', 'camera=(), geolocation=(), microphone=()');
  const policy = HSTS[hsts];
  if (policy !== undefined) response.setHeader('strict-transport-security', policy);
}
