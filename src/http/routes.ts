// What is plain HTTP: liveness, readiness, and the key set.

import type { IncomingMessage } from 'node:http';
import type { PublicJwk } from '../domain/keyset/signing-key.ts';
import { JWKS_CACHE_MS } from '../domain/keyset/signing-key.ts';
import type { HttpResponse } from './response.ts';

/** Whether this node can serve, and what it depends on. */
export type Readiness = {
  readonly status: 'ready' | 'degraded' | 'unavailable';
  readonly checks: Readonly<Record<string, string>>;
};

export type RouteDeps = {
  readonly readiness: () => Readiness;
  readonly keyset: { publicKeys(): readonly PublicJwk[] };
};

type Route = (deps: RouteDeps, response: HttpResponse) => void;

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/healthz', (_deps, response) => sendJson(response, 200, { status: 'alive' })],
  ['/readyz', sendReadiness],
  ['/.well-known/jwks.json', sendJwks],
]);

/** Answers a plain HTTP request; 404 and 405 for what is not served. */
export function answerRoute(
  deps: RouteDeps,
  request: Pick<IncomingMessage, 'url' | 'method'>,
  response: HttpResponse,
): void {
  const [path = ''] = (request.url ?? '').split('?');
  const route = ROUTES.get(path);
  if (route === undefined) return sendJson(response, 404, { error: 'not found' });
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return sendJson(response, 405, { error: 'method not allowed' });
  }
  return route(deps, response);
}

function sendReadiness(deps: RouteDeps, response: HttpResponse): void {
  const readiness = deps.readiness();
  sendJson(response, readiness.status === 'unavailable' ? 503 : 200, readiness);
}

function sendJwks(deps: RouteDeps, response: HttpResponse): void {
  response.setHeader('cache-control', `public, max-age=${JWKS_CACHE_MS / 1000}`);
  response.setHeader('access-control-allow-origin', '*');
  sendJson(response, 200, { keys: deps.keyset.publicKeys() }, 'application/jwk-set+json');
}

function sendJson(response: HttpResponse, status: number, body: unknown, type = 'application/json'): void {
  response.statusCode = status;
  response.setHeader('content-type', type);
  if (!response.hasHeader('cache-control')) response.setHeader('cache-control', 'no-store');
  response.end(JSON.stringify(body));
}
