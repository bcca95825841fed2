// Starts, restarts and stops of the real process: signals, calls under way, and a data directory that is taken.

import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import {
  endChild,
  runLatchkey,
  serveChild,
  temporaryFolder,
  type Child,
  type ServingChild,
} from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import { connectTo, watchHealth } from '../support/foreign-grpc.ts';

const Secrets = z.object({ adminEmail: z.string(), adminPassword: z.string(), gatewayApiKey: z.string() });

const children: Child[] = [];
const folders: Array<{ remove(): Promise<void> }> = [];

afterEach(async () => {
  await Promise.all(children.splice(0).map(endChild));
  await Promise.all(folders.splice(0).map((folder) => folder.remove()));
});

async function dataFolder(): Promise<string> {
  const folder = await temporaryFolder();
  folders.push(folder);
  return folder.path;
}

async function serve(folder: string, variables: Record<string, string> = {}): Promise<ServingChild> {
  const child = await serveChild(folder, { LATCHKEY_DATA_DIR: folder, ...variables });
  children.push(child);
  return child;
}

/** Runs a command to its end: its exit code, and the lines on standard error. */
async function run(folder: string, args: readonly string[], variables: Record<string, string> = {}) {
  const child = runLatchkey(folder, args, variables);
  children.push(child);
  const code = await child.exit;
  return { code, lines: child.stderr().trim().split('\n'), stdout: child.stdout() };
}

async function secretsIn(folder: string) {
  return Secrets.parse(JSON.parse(await readFile(join(folder, 'bootstrap.json'), 'utf8')));
}

describe.each(['SIGTERM', 'SIGINT'] as const)('on %s', (signal) => {
  it('the health turns NOT_SERVING, a login under way is answered, and the process ends with 0', async () => {
    const folder = await dataFolder();
    // Hashing long enough for the signal to come in the middle of it.
    const child = await serve(folder, {
      LATCHKEY_ARGON2_MEMORY_KIB: '131072',
      LATCHKEY_ARGON2_PASSES: '6',
      LATCHKEY_SHUTDOWN_GRACE: '60s',
    });
    const { adminEmail, adminPassword } = await secretsIn(folder);
    const baseUrl = `http://${child.grpcAddress}`;
    const sessionManager = new Http2SessionManager(baseUrl);
    const auth = createClient(AuthService, createGrpcTransport({ baseUrl, sessionManager }));
    const health = connectTo(child.grpcAddress);
    const watch = watchHealth(health, '');
    await eventually(() => watch.seen.length === 1);

    const login = auth.login({ identifier: adminEmail, password: adminPassword });
    let isAnswered = false;
    void login.then(() => {
      isAnswered = true;
    });
    // Answered on the same connection, so the login has arrived before it.
    await auth.getJwks({});
    expect(isAnswered).toBe(false);
    child.signal(signal);
    await eventually(() => watch.seen.length === 2);
    expect(watch.seen).toEqual(['SERVING', 'NOT_SERVING']);
    watch.cancel();
    expect((await login).outcome.case).toBe('tokens');
    sessionManager.abort();
    health.close();
    expect(await child.exit).toBe(0);
    await expect(createClient(AuthService, createGrpcTransport({ baseUrl })).getJwks({})).rejects.toThrow(
      'ECONNREFUSED',
    );
  });
});

describe('a second start on the same data directory', () => {
  it('prints no secret, keeps the secrets and the signing keys, and takes over from a process that was killed', async () => {
    const folder = await dataFolder();
    const first = await serve(folder);
    const secrets = await secretsIn(folder);
    const before = await (await fetch(`${first.httpUrl}/.well-known/jwks.json`)).text();
    first.signal('SIGKILL');
    await first.exit;

    const second = await serve(folder);
    const output = second.stdout() + second.stderr();
    expect(output).not.toContain('First start');
    for (const secret of Object.values(secrets)) expect(output).not.toContain(secret);
    expect(await secretsIn(folder)).toEqual(secrets);
    expect(await (await fetch(`${second.httpUrl}/.well-known/jwks.json`)).text()).toBe(before);
    const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${second.grpcAddress}` }));
    const { outcome } = await auth.login({ identifier: 'admin', password: secrets.adminPassword });
    expect(outcome.case).toBe('tokens');
  });

  it('is refused in one line while a live process holds it', async () => {
    const folder = await dataFolder();
    const first = await serve(folder);
    const { code, lines } = await run(folder, ['serve'], { LATCHKEY_DATA_DIR: folder });
    expect(code).toBe(1);
    expect(lines).toEqual([
      `latchkey: LATCHKEY_DATA_DIR: ${folder} is in use by process ${String(first.pid)} on host ${hostname()}; stop it first`,
    ]);
    expect((await fetch(`${first.httpUrl}/readyz`)).status).toBe(200);
  });

  it('is refused in one line under another master key, and goes on under its own', async () => {
    const folder = await dataFolder();
    const first = await serve(folder);
    first.signal('SIGTERM');
    expect(await first.exit).toBe(0);
    const other = {
      LATCHKEY_DATA_DIR: folder,
      LATCHKEY_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    };
    const { code, lines } = await run(folder, ['serve'], other);
    expect(code).toBeGreaterThan(0);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^latchkey: LATCHKEY_MASTER_KEY: /);
    expect((await fetch(`${(await serve(folder)).httpUrl}/readyz`)).status).toBe(200);
  });
});

describe('a start that cannot succeed', () => {
  it.each(['LATCHKEY_GRPC_ADDRESS', 'LATCHKEY_HTTP_ADDRESS'])(
    'says in one line that the port of %s is taken',
    async (variable) => {
      const [taken, free] = [await serve(await dataFolder()), await dataFolder()];
      const { code, lines } = await run(free, ['serve'], {
        LATCHKEY_DATA_DIR: join(free, 'data'),
        [variable]: taken.grpcAddress,
      });
      const faults = lines.filter((line) => line.startsWith('latchkey: '));
      expect(code).toBe(1);
      expect(faults).toHaveLength(1);
      expect(faults[0]).toContain('is in use already');
      expect(faults[0]).toContain(taken.grpcAddress.split(':')[1]);
      expect(lines.join('\n')).not.toMatch(/^\s+at /m);
    },
  );

  it.each(['serve', 'migrate', 'bootstrap'])(
    '%s says in one line that the database is away',
    async (command) => {
      const folder = await dataFolder();
      const { code, lines } = await run(folder, [command], {
        LATCHKEY_DATABASE_URL: 'postgres://someone:secret-in-url@127.0.0.1:1/nothing',
        LATCHKEY_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      });
      expect(code).toBe(1);
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(/^latchkey: the database cannot be reached: .*127\.0\.0\.1:1/);
      expect(lines[0]).not.toContain('secret-in-url');
    },
  );
});
