// Health over a Unix socket: probes on the same machine need neither the port nor a certificate.

import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { Readiness } from '../../domain/health/readiness.ts';
import type { Document } from '../operations/documents.ts';
import { healthDocuments } from '../operations/documents.ts';

/** A listening socket. */
export type ProbeSocket = { close(): Promise<void> };

const TIMEOUT_MS = 5_000;

/** Listens at `path`, where a socket that a killed process left is replaced; its owner alone may connect. Errors: those of listen(2). */
export async function startProbeSocket(path: string, readiness: () => Readiness): Promise<ProbeSocket> {
  const documents = healthDocuments(readiness);
  const server = createServer(
    { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS, keepAliveTimeout: 0 },
    (request, response) => {
      const read = request.method === 'GET' ? documents.get(request.url ?? '') : undefined;
      if (read === undefined) response.writeHead(404).end();
      else send(response, read());
    },
  );
  await rm(path, { force: true });
  server.listen(path);
  await once(server, 'listening');
  await chmod(path, 0o600);
  return {
    async close() {
      server.close();
      server.closeAllConnections();
      await rm(path, { force: true });
    },
  };
}

function send(response: ServerResponse, { status, body, type }: Document): void {
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
}
