// Health over a Unix socket: probes on the same machine need neither the port nor a certificate.

import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Readiness } from '../../domain/health/readiness.ts';
import { healthRoutes } from './routes.ts';

/** A listening socket. */
export type ProbeSocket = { close(): Promise<void> };

const TIMEOUT_MS = 5_000;

/** Listens at `path`, where a socket that a killed process left is replaced; its owner alone may connect. Errors: those of listen(2). */
export async function startProbeSocket(path: string, readiness: () => Readiness): Promise<ProbeSocket> {
  const routes = healthRoutes(readiness);
  const server = createServer(
    { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS, keepAliveTimeout: 0 },
    (request, response) => {
      const route = routes.get(request.url ?? '');
      if (route !== undefined) return route(request, response);
      response.writeHead(404).end();
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
