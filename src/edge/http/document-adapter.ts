// Documents over HTTP: GET and HEAD, JSON out.

import { after } from '../../domain/maybe-promise.ts';
import type { Document } from '../operations/documents.ts';
import type { Operation } from '../pipeline/operation.ts';
import type { PipelineDeps } from '../pipeline/pipeline.ts';
import { serveOperation } from '../pipeline/pipeline.ts';
import type { HttpExchange } from './exchange.ts';
import { HttpTransport } from './http-transport.ts';
import { trackArrival } from './request-arrival.ts';
import { sendJson } from './response.ts';
import type { HttpHandler } from './server.ts';

/** Serves an operation that reads a document. */
export function documentEndpoint(deps: PipelineDeps, operation: Operation<undefined, Document>): HttpHandler {
  const serve = serveOperation(deps, operation);
  return (exchange) => {
    trackArrival(exchange);
    const { method } = exchange.request;
    if (method !== 'GET' && method !== 'HEAD') {
      exchange.addHeader('allow', 'GET, HEAD');
      return sendJson(exchange, 405, { error: 'method not allowed' });
    }
    const transport = new HttpTransport(exchange, { takesCookies: false });
    void after(
      serve(transport, () => undefined),
      (outcome) => {
        if ('error' in outcome) sendJson(exchange, 500, { error: outcome.error.message });
        else sendDocument(exchange, outcome.response);
      },
    );
  };
}

function sendDocument(exchange: HttpExchange, { status, body, type, maxAgeSeconds }: Document): void {
  // The same for everyone: any cache may keep it and any origin may read it.
  if (maxAgeSeconds !== undefined) exchange.makePublic();
  const cache = maxAgeSeconds === undefined ? 'no-store' : `public, max-age=${maxAgeSeconds}`;
  exchange.send(status, JSON.stringify(body), ['content-type', type, 'cache-control', cache]);
}
