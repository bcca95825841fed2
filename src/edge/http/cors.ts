// Cross-origin rules: exact origins, never reflected to anyone else.

import type { IncomingMessage } from 'node:http';
import { cors } from '@connectrpc/connect';
import type { HttpResponse } from './response.ts';

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
  request: IncomingMessage,
  response: HttpResponse,
  onRefused: (origin: string) => void = () => undefined,
): boolean {
  response.setHeader('vary', 'origin');
  const { origin } = request.headers;
  const isAllowed = origin !== undefined && allowedOrigins.has(origin);
  if (isAllowed) {
    response.setHeader('access-control-allow-origin', origin);
    // Only ever beside the name of an allowed origin: with a wildcard or a reflected one, any site could call as the person.
    response.setHeader('access-control-allow-credentials', 'true');
    response.setHeader('access-control-expose-headers', EXPOSED_HEADERS);
  }
  if (origin !== undefined && !isAllowed) onRefused(origin);
  if (request.method !== 'OPTIONS') return false;
  if (isAllowed) {
    response.setHeader('access-control-allow-methods', cors.allowedMethods.join(', '));
    response.setHeader('access-control-allow-headers', ALLOWED_HEADERS);
    response.setHeader('access-control-max-age', String(PREFLIGHT_MAX_AGE_S));
  }
  response.statusCode = 204;
  response.end('');
  return true;
}
