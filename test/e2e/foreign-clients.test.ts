// Drives the real process with clients that share no code with it: buf, and grpc-js with what reflection answers.

import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { equals, getExtension, getOption, hasExtension } from '@bufbuild/protobuf';
import type { Client } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { access, AccessSchema } from '../../gen/latchkey/v1/access_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import { endChild, serveChild, temporaryFolder, type ServingChild } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import {
  callReflected,
  checkHealth,
  connectTo,
  reflect,
  REFLECTION_VERSIONS,
  typesFrom,
  watchHealth,
} from '../support/foreign-grpc.ts';
import { GOOD_PASSWORD } from '../support/service.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const SERVICES = [AuthService, UserService];
const Secrets = z.strictObject({
  adminEmail: z.string(),
  adminPassword: z.string(),
  gatewayApiKey: z.string(),
});
const LoginAnswer = z.object({ tokens: z.object({ access_token: z.string(), scopes: z.array(z.string()) }) });
const ValidateAnswer = z.object({ active: z.boolean(), principal: z.object({ role: z.string() }) });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let child: ServingChild;
let client: Client;
let secrets: z.infer<typeof Secrets>;

const dataDir = () => join(folder.path, 'data');

beforeAll(async () => {
  folder = await temporaryFolder();
  child = await serveChild(folder.path, { LATCHKEY_DATA_DIR: dataDir(), LATCHKEY_RATE_LIMITS: 'off' });
  client = connectTo(child.grpcAddress);
  secrets = Secrets.parse(JSON.parse(await readFile(join(dataDir(), 'bootstrap.json'), 'utf8')));
});
afterAll(async () => {
  client.close();
  await endChild(child);
  await folder.remove();
});

describe('the first start', () => {
  it('leaves bootstrap.json for its owner alone, and shows the secrets once on standard error', async () => {
    const { mode } = await stat(join(dataDir(), 'bootstrap.json'));
    expect((mode & 0o777).toString(8)).toBe('600');
    expect(((await stat(dataDir())).mode & 0o777).toString(8)).toBe('700');
    for (const secret of [secrets.adminPassword, secrets.gatewayApiKey]) {
      expect(child.stderr().split(secret)).toHaveLength(2);
      expect(child.stdout()).not.toContain(secret);
    }
  });
});

describe.each(REFLECTION_VERSIONS)('a grpc-js client built from reflection %s', (version) => {
  it('finds the services, and the access rule of every method as it was declared', async () => {
    const { services, files } = await reflect(client, version);
    expect(services).toEqual(expect.arrayContaining(SERVICES.map(({ typeName }) => typeName)));
    for (const service of SERVICES) {
      const described = files
        .flatMap((file) => file.service)
        .find((candidate) => `latchkey.v1.${candidate.name ?? ''}` === service.typeName);
      expect(described?.method.map(({ name }) => name)).toEqual(service.methods.map(({ name }) => name));
      for (const [index, method] of service.methods.entries()) {
        const options = described?.method[index]?.options;
        expect(options !== undefined && hasExtension(options, access)).toBe(true);
        expect(equals(AccessSchema, getExtension(options!, access), getOption(method, access))).toBe(true);
      }
    }
  });

  it('logs the administrator in and validates the token with the gateway key', async () => {
    const types = typesFrom((await reflect(client, version)).files);
    const call = (method: string, request: object, headers = {}) =>
      callReflected(client, types, 'latchkey.v1.AuthService', method, request, headers);
    const login = LoginAnswer.parse(
      await call('Login', { identifier: secrets.adminEmail, password: secrets.adminPassword }),
    );
    expect(login.tokens.scopes).toContain('signing_keys:write');
    const verdict = await call(
      'ValidateToken',
      { token: login.tokens.access_token },
      { authorization: `Bearer ${secrets.gatewayApiKey}` },
    );
    expect(ValidateAnswer.parse(verdict)).toEqual({ active: true, principal: { role: 'super_admin' } });
    await expect(call('ValidateToken', { token: 'x' })).rejects.toMatchObject({ code: 16 });
  });
});

describe('grpc.health.v1', () => {
  it.each(['', ...SERVICES.map(({ typeName }) => typeName)])('says that "%s" is SERVING', async (name) => {
    expect(await checkHealth(client, name)).toBe('SERVING');
    const watch = watchHealth(client, name);
    await eventually(() => watch.seen.length > 0);
    expect(watch.seen).toEqual(['SERVING']);
    watch.cancel();
  });

  it('knows no other service', async () => {
    await expect(checkHealth(client, 'latchkey.v1.NoSuchService')).rejects.toMatchObject({ code: 5 });
  });
});

// How the reason begins an ErrorInfo on the wire, as buf shows it.
const TOKEN_MISSING = Buffer.from('\n\rTOKEN_MISSING').toString('base64');
const schema = ['--schema', join(ROOT, 'proto')];

describe.each([
  [
    'grpc by reflection',
    ['--protocol', 'grpc', '--http2-prior-knowledge'],
    () => `http://${child.grpcAddress}`,
  ],
  ['grpcweb', ['--protocol', 'grpcweb', ...schema], () => child.httpUrl],
  ['connect', ['--protocol', 'connect', ...schema], () => child.httpUrl],
] as const)('buf curl over %s', (name, flags, url) => {
  const curl = async (method: string, data: object, headers: readonly string[] = []): Promise<unknown> => {
    const { stdout } = await promisify(execFile)(
      join(ROOT, 'node_modules/.bin/buf'),
      [
        'curl',
        ...flags,
        ...headers.flatMap((header) => ['-H', header]),
        '-d',
        JSON.stringify(data),
        `${url()}/latchkey.v1.${method}`,
      ],
      { cwd: folder.path, env: { ...process.env, BUF_CACHE_DIR: join(folder.path, 'buf') } },
    );
    return JSON.parse(stdout);
  };

  it('registers, logs in, reads the account, and is refused without a token', async () => {
    const username = `buf-${name.split(' ')[0] ?? ''}`;
    const email = `${username}@example.com`;
    const registered = await curl('AuthService/Register', {
      email,
      username,
      password: GOOD_PASSWORD,
      fullName: 'Buf',
    });
    expect(registered).toMatchObject({ user: { email, role: 'user', status: 'USER_STATUS_ACTIVE' } });
    const login = z
      .object({ tokens: z.object({ accessToken: z.string(), expiresIn: z.string() }) })
      .parse(await curl('AuthService/Login', { identifier: email, password: GOOD_PASSWORD }));
    expect(login.tokens.expiresIn).toBe('900s');
    const me = await curl('UserService/GetMe', {}, [`authorization: Bearer ${login.tokens.accessToken}`]);
    expect(me).toMatchObject({ user: { email, username } });
    await expect(curl('UserService/GetMe', {})).rejects.toThrow(TOKEN_MISSING);
  });
});

it('the welcome email is written into the data directory', async () => {
  const types = typesFrom((await reflect(client, 'v1')).files);
  const email = 'welcomed@example.com';
  await callReflected(client, types, 'latchkey.v1.AuthService', 'Register', {
    email,
    password: GOOD_PASSWORD,
    full_name: 'Email Reader',
  });
  const message = await eventually(async () => {
    const files = await readdir(join(dataDir(), 'mail'));
    const texts = await Promise.all(files.map((file) => readFile(join(dataDir(), 'mail', file), 'utf8')));
    return texts.find((text) => text.includes(email));
  });
  expect(message).toMatch(/^To: .*welcomed@example\.com/m);
  expect(message).toMatch(/^Message-ID: <[0-9a-f-]{36}\.1@latchkey>/im);
  expect(message).not.toContain(GOOD_PASSWORD);
});
