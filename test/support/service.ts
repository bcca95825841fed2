// Starts the whole service inside the test process, on free ports, and provides clients for each protocol.

import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client, Transport } from '@connectrpc/connect';
import { createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { AdminService } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import type { App, Overrides } from '../../src/app.ts';
import { bootstrapApp, closeApp, openApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { BootstrapSecrets } from '../../src/domain/instance/bootstrap.ts';
import { givenKeyring } from '../../src/master-keyring.ts';
import type { RunningService } from '../../src/service.ts';
import { startService } from '../../src/service.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { openStorage } from '../../src/wiring/storage.ts';
import { openEmbedded } from './warm-starts.ts';

/** The protocols that every RPC is served by. */
export const PROTOCOLS = ['grpc', 'grpc-web', 'connect'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** A service under test. */
export type TestService = {
  readonly app: App;
  readonly running: RunningService;
  /** What the first start made; undefined on the second node of a database. */
  readonly secrets: BootstrapSecrets | undefined;
  readonly grpcAddress: string;
  readonly grpcUrl: string;
  readonly httpUrl: string;
  transport(protocol: Protocol): Transport;
  auth(protocol?: Protocol): Client<typeof AuthService>;
  user(protocol?: Protocol): Client<typeof UserService>;
  admin(protocol?: Protocol): Client<typeof AdminService>;
  stop(): Promise<void>;
};

export type TestServiceOptions = Overrides & {
  /** LATCHKEY_ variables without their prefix. With DATABASE_URL the service runs on that database, else on an in-memory PGlite. */
  readonly variables?: Readonly<Record<string, string>>;
};

// Cheap on purpose: nothing here tests how strong the hash is.
const FAST: Readonly<Record<string, string>> = {
  GRPC_ADDRESS: '127.0.0.1:0',
  HTTP_ADDRESS: '127.0.0.1:0',
  ARGON2_MEMORY_KIB: '1024',
  ARGON2_PASSES: '1',
  ARGON2_LANES: '1',
  HASHING_QUEUE: '20000',
  BREACH_CHECK_URL: 'off',
  LOG_LEVEL: 'silent',
  ISSUER: 'http://latchkey.test',
  SHUTDOWN_GRACE: '2s',
  // The tests of the limits turn them on.
  RATE_LIMITS: 'off',
};

/** A password that both policies take. */
export const GOOD_PASSWORD = 'Correct-Horse-42-Staple!';

/** Starts a node with an up-to-date schema and its first administrator. */
export async function startTestService(options: TestServiceOptions = {}): Promise<TestService> {
  // Where mail goes; made when the first email is.
  const dataDir = join(tmpdir(), `latchkey-test-${process.pid}-${randomBytes(6).toString('hex')}`);
  const masterKey = randomBytes(32).toString('base64');
  // A test's clock is not the database's.
  const skew: Record<string, string> = options.clock === undefined ? {} : { MAX_CLOCK_SKEW: 'off' };
  const variables = { MASTER_KEY: masterKey, DATA_DIR: dataDir, ...FAST, ...skew, ...options.variables };
  const environment = Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [`LATCHKEY_${name}`, value]),
  );
  const config = readConfig(environment);
  const storage =
    config.DATABASE_URL === undefined
      ? {
          database: await openEmbedded(),
          dataDir: undefined,
          keyring: givenKeyring(config.MASTER_KEY ?? randomBytes(32), undefined),
        }
      : await openStorage(config);
  await storage.database.migrate();
  const app = await openApp(config, createLogger(config.LOG_LEVEL), storage, options);
  const secrets = await bootstrapApp(app, 'root@example.com', async () => undefined);
  const running = await startService(app);
  const grpcUrl = `http://127.0.0.1:${running.grpcPort}`;
  const httpUrl = `http://127.0.0.1:${running.httpPort}`;
  // One each: a transport keeps its connection, and those of one address are bounded.
  const transports: Readonly<Record<Protocol, Transport>> = {
    grpc: createGrpcTransport({ baseUrl: grpcUrl }),
    'grpc-web': createGrpcWebTransport({ baseUrl: httpUrl, httpVersion: '1.1' }),
    connect: createConnectTransport({ baseUrl: httpUrl, httpVersion: '1.1' }),
  };
  const transport = (protocol: Protocol): Transport => transports[protocol];
  return {
    app,
    running,
    secrets,
    grpcAddress: `127.0.0.1:${running.grpcPort}`,
    grpcUrl,
    httpUrl,
    transport,
    auth: (protocol = 'grpc') => createClient(AuthService, transport(protocol)),
    user: (protocol = 'grpc') => createClient(UserService, transport(protocol)),
    admin: (protocol = 'grpc') => createClient(AdminService, transport(protocol)),
    async stop() {
      await running.stop();
      await closeApp(app);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Call options that carry a bearer credential. */
export function bearer(token: string): { readonly headers: { readonly authorization: string } } {
  return { headers: { authorization: `Bearer ${token}` } };
}

/** Registers a new account and logs it in. */
export async function signUp(service: TestService, name: string) {
  const email = `${name}@example.com`;
  await service.auth().register({ email, username: name, password: GOOD_PASSWORD, fullName: 'Test Person' });
  return signIn(service, email);
}

/** Logs an account in; resolves to its tokens. */
export async function signIn(service: TestService, identifier: string) {
  const { outcome } = await service.auth().login({ identifier, password: GOOD_PASSWORD });
  if (outcome.case !== 'tokens') throw new Error(`login answered ${outcome.case ?? 'nothing'}`);
  return outcome.value;
}
