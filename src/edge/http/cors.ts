// Cross-origin rules: exact origins, never reflected to anyone else.

import { cors } from '@connectrpc/connect';
import type { HttpExchange } from './exchange.ts';

const ALLOWED_HEADERS = [...cors.allowedHeaders, 'authorization', 'x-api-key', 'x-request-id'].join(', ');
const EXPOSED_HEADERS = [
  ...cors.exposedHeaders,
  'x-request-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'retry-after',
].join(', ');
const PREFLIGHT_MAX_AGE_S = 7_200;

/**
 * Adds the CORS headers for an allowed origin; `onRefused` is told of any other. True when the request was a preflight and has been answered.
 */
export function answerCors(
  allowedOrigins: ReadonlySet<string>,
  exchange: HttpExchange,
  onRefused: (origin: string) => void = () => undefined,
): boolean {
  const origin = exchange.header('origin');
  const isAllowed = origin !== undefined && allowedOrigins.has(origin);
  if (isAllowed) {
    exchange.addHeader('access-control-allow-origin', origin);
    // Only ever beside the name of an allowed origin: with a wildcard or a reflected one, any site could call as the person.
    exchange.addHeader('access-control-allow-credentials', 'true');
    exchange.addHeader('access-control-expose-headers', EXPOSED_HEADERS);
  }
  if (origin !== undefined && !isAllowed) onRefused(origin);
  if (exchange.request.method !== 'OPTIONS') return false;
  if (isAllowed) {
    exchange.addHeader('access-control-allow-methods', cors.allowedMethods.join(', '));
    exchange.addHeader('access-control-allow-headers', ALLOWED_HEADERS);
    exchange.addHeader('access-control-max-age', String(PREFLIGHT_MAX_AGE_S));
  }
  exchange.send(204, '');
  return true;
}
