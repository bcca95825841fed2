// Headers that keep browsers from doing more with an answer than it is for.

import type { HttpResponse } from './response.ts';

/** Sets them all; HSTS only where the connection is TLS (RFC 6797, section 7.2). */
export function setSecurityHeaders(response: HttpResponse, isTls: boolean): void {
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('x-frame-options', 'DENY');
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('permissions-policy', 'camera=(), geolocation=(), microphone=()');
  if (isTls) response.setHeader('strict-transport-security', 'max-age=31536000; includeSubDomains');
}
