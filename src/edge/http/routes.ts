// What is plain HTTP, by path: documents, and the endpoints of OAuth.

import type { RevokeTokenDeps } from '../../domain/token/revoke-token.ts';
import type { DocumentDeps } from '../operations/documents.ts';
import { documentOperations } from '../operations/documents.ts';
import type { IntrospectDeps } from '../operations/oauth/introspect.ts';
import { introspectOperation } from '../operations/oauth/introspect.ts';
import { revokeOperation } from '../operations/oauth/revoke.ts';
import type { AccessRule } from '../pipeline/access-table.ts';
import type { PipelineDeps } from '../pipeline/pipeline.ts';
import { documentEndpoint } from './document-adapter.ts';
import { oauthEndpoint } from './oauth-adapter.ts';
import { trackArrival } from './request-arrival.ts';
import { sendJson } from './response.ts';
import type { HttpHandler } from './server.ts';

export type RouteDeps = IntrospectDeps &
  RevokeTokenDeps &
  DocumentDeps & {
    /** Who may introspect: the rule of ValidateToken. */
    readonly introspectionAccess: AccessRule;
  };

/** Every operation that is plain HTTP. */
export function httpOperations(deps: RouteDeps) {
  return {
    documents: documentOperations(deps),
    oauth: [introspectOperation(deps, deps.introspectionAccess), revokeOperation(deps)],
  };
}

/** Answers plain HTTP requests; 404 for what is not served. */
export function createRoutes(pipeline: PipelineDeps, deps: RouteDeps): HttpHandler {
  const { documents, oauth } = httpOperations(deps);
  const routes = new Map<string, HttpHandler>([
    ...documents.map((operation) => [operation.name, documentEndpoint(pipeline, operation)] as const),
    ...oauth.map((operation) => [operation.name, oauthEndpoint(pipeline, operation)] as const),
  ]);
  return (exchange) => {
    const route = routes.get(exchange.target.path);
    if (route !== undefined) return route(exchange);
    trackArrival(exchange);
    sendJson(exchange, 404, { error: 'not found' });
  };
}
