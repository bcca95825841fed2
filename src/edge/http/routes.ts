// What is plain HTTP, by path: liveness, readiness, the key set, and the OAuth endpoints.

import type { Readiness } from '../../domain/health/readiness.ts';
import type { PublicJwk } from '../../domain/keyset/signing-key.ts';
import { JWKS_CACHE_MS } from '../../domain/keyset/signing-key.ts';
import type { RevokeTokenDeps } from '../../domain/token/revoke-token.ts';
import type { IntrospectionDeps } from './introspection.ts';
import { introspectionEndpoint } from './introspection.ts';
import type { OAuthEndpointDeps } from './oauth-endpoint.ts';
import { serveOAuth } from './oauth-endpoint.ts';
import type { OAuthMetadataDeps } from './oauth-metadata.ts';
import { JWKS_PATH, oauthMetadata, oauthMetadataPaths } from './oauth-metadata.ts';
import type { HttpRequest } from './request.ts';
import type { HttpResponse } from './response.ts';
import { sendJson } from './response.ts';
import { revocationEndpoint } from './revocation.ts';

export type RouteDeps = IntrospectionDeps &
  RevokeTokenDeps &
  OAuthEndpointDeps &
  OAuthMetadataDeps & {
    readonly readiness: () => Readiness;
    readonly keyset: { publicKeys(): readonly PublicJwk[] };
  };

type Route = (request: HttpRequest, response: HttpResponse) => void;

const METADATA_MAX_AGE_S = 3_600;

/** Answers plain HTTP requests; 404 and 405 for what is not served. */
export function createRoutes(deps: RouteDeps): Route {
  const routes = new Map<string, Route>([
    ...healthRoutes(deps.readiness),
    [JWKS_PATH, readOnly((response) => sendJwks(deps, response))],
    ...metadataRoutes(deps),
    ...oauthRoutes(deps),
  ]);
  return (request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    const route = routes.get(path);
    if (route === undefined) sendJson(response, 404, { error: 'not found' });
    else route(request, response);
  };
}

/** Liveness and readiness, by path. */
export function healthRoutes(readiness: () => Readiness): ReadonlyMap<string, Route> {
  return new Map([
    ['/healthz', readOnly((response) => sendJson(response, 200, { status: 'alive' }))],
    ['/readyz', readOnly((response) => sendReadiness(readiness, response))],
  ]);
}

function metadataRoutes(deps: RouteDeps): ReadonlyArray<[string, Route]> {
  const metadata = oauthMetadata(deps);
  const route = readOnly((response) => {
    makePublic(response, METADATA_MAX_AGE_S);
    sendJson(response, 200, metadata);
  });
  return oauthMetadataPaths(deps.issuer).map((path) => [path, route]);
}

function oauthRoutes(deps: RouteDeps): ReadonlyArray<[string, Route]> {
  return [introspectionEndpoint(deps), revocationEndpoint(deps)].map((endpoint) => [
    endpoint.path,
    (request, response) => void serveOAuth(deps, endpoint, request, response),
  ]);
}

function readOnly(answer: (response: HttpResponse) => void): Route {
  return (request, response) => {
    if (request.method === 'GET' || request.method === 'HEAD') return answer(response);
    response.setHeader('allow', 'GET, HEAD');
    sendJson(response, 405, { error: 'method not allowed' });
  };
}

function sendReadiness(look: () => Readiness, response: HttpResponse): void {
  const readiness = look();
  sendJson(response, readiness.status === 'unavailable' ? 503 : 200, readiness);
}

function sendJwks(deps: RouteDeps, response: HttpResponse): void {
  makePublic(response, JWKS_CACHE_MS / 1000);
  sendJson(response, 200, { keys: deps.keyset.publicKeys() }, 'application/jwk-set+json');
}

// The same for everyone: any cache may keep it and any origin may read it.
function makePublic(response: HttpResponse, maxAgeSeconds: number): void {
  response.setHeader('cache-control', `public, max-age=${maxAgeSeconds}`);
  response.setHeader('access-control-allow-origin', '*');
  response.removeHeader('access-control-allow-credentials');
}
