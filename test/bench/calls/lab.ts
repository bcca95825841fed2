// Servers and loads of one benchmark, each in a process of its own, which all end with it.

import { join } from 'node:path';
import type { Cores } from './cores.ts';
import { withCores } from './cores.ts';
import type { Latchkey } from './latchkey.ts';
import { startLatchkey } from './latchkey.ts';
import { startLoadClient } from './load-client.ts';
import type { LoadRequest } from './load-request.ts';
import type { Target } from './rounds.ts';
import type { Server, ServerCommand } from './server.ts';
import { node, startServer } from './server.ts';

/** Starts what a benchmark needs. */
export type Lab = {
  /** A latchkey of this checkout, or of another whose dependencies are installed. */
  latchkey(checkout?: string): Promise<Latchkey>;
  /** Bare servers whose responses have so many bytes. */
  noOp(responseBytes: { readonly grpc: number; readonly http: number }): Promise<Server>;
  server(command: ServerCommand): Promise<Server>;
  /** The load of one call on a server. */
  target(server: Server, request: LoadRequest): Target;
  /** Has `undo` run at the end, before those that were handed in earlier. */
  later(undo: () => unknown): void;
};

/** Runs `work` with the server's core to itself; see `withCores`. */
export function withLab<Result>(work: (lab: Lab) => Promise<Result>): Promise<Result> {
  return withCores(async (cores) => {
    const undos: Array<() => unknown> = [];
    try {
      return await work(labOn(cores, (undo) => void undos.push(undo)));
    } finally {
      for (const undo of undos.toReversed()) await undo();
    }
  });
}

function labOn(cores: Cores, later: Lab['later']): Lab {
  const started = async <Started extends { stop(): unknown }>(starting: Promise<Started>) => {
    const server = await starting;
    later(() => server.stop());
    return server;
  };
  return {
    later,
    latchkey: (checkout) => started(startLatchkey(cores, checkout)),
    noOp: ({ grpc, http }) =>
      started(
        startServer(cores, {
          command: node(join(import.meta.dirname, 'no-op-process.ts'), String(grpc), String(http)),
        }),
      ),
    server: (command) => started(startServer(cores, command)),
    target({ pid }, request) {
      const load = startLoadClient(request);
      later(() => load.stop());
      return { pid, load };
    },
  };
}
