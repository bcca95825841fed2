// A latchkey under test: `latchkey serve` of this checkout or another, as its users run it, with somebody logged in.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { z } from 'zod';
import { AuthService } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import { startPrivatePostgres } from '../../support/private-postgres.ts';
import { logIn, register } from '../people.ts';
import type { Cores } from './cores.ts';
import type { Server } from './server.ts';
import { node, startServer } from './server.ts';

const Secrets = z.object({ gatewayApiKey: z.string() });

/** A running latchkey. */
export type Latchkey = Server & {
  /** The key of a gateway, which may validate tokens. */
  readonly gatewayKey: string;
  /** Of somebody logged in. */
  readonly accessToken: string;
};

/** The root of this checkout. */
export const THIS_CHECKOUT = resolve(import.meta.dirname, '../../..');

/** Starts latchkey from a checkout with its dependencies installed, on a Postgres of its own. */
export async function startLatchkey(cores: Cores, checkout = THIS_CHECKOUT): Promise<Latchkey> {
  const postgres = await startPrivatePostgres();
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'));
  const entry = join(checkout, 'src/main.ts');
  const variables = {
    LATCHKEY_DATABASE_URL: postgres.url,
    LATCHKEY_MASTER_KEY: randomBytes(32).toString('base64'),
    LATCHKEY_DATA_DIR: folder,
    LATCHKEY_GRPC_ADDRESS: '127.0.0.1:0',
    LATCHKEY_HTTP_ADDRESS: '127.0.0.1:0',
    // One address makes all the calls.
    LATCHKEY_RATE_LIMITS: 'off',
    LATCHKEY_BREACH_CHECK_URL: 'off',
  };
  const run = async (...args: readonly string[]) => {
    const options = { cwd: folder, env: { ...process.env, ...variables } };
    return (await promisify(execFile)(process.execPath, [entry, ...args], options)).stdout;
  };
  await run('migrate');
  const { gatewayApiKey } = Secrets.parse(JSON.parse(await run('bootstrap')));
  const server = await startServer(cores, { command: node(entry, 'serve'), cwd: folder, variables });
  return {
    ...server,
    gatewayKey: gatewayApiKey,
    accessToken: await newAccessToken(server.grpc),
    async stop() {
      await server.stop();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function newAccessToken(grpc: string): Promise<string> {
  const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${grpc}` }));
  await register(auth, 'bench@example.com');
  return (await logIn(auth, 'bench@example.com')).accessToken;
}
