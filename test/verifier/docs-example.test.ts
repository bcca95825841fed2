// Type-checks and runs the gateway of docs/verifier.md, in a folder of its own that finds this package by its name.

import { spawn, execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/private-server.ts';
import { bearer, signUp, startTestService, type TestService } from '../support/service.ts';

const ROOT = resolve(import.meta.dirname, '../..');

let service: TestService;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let port: number;

beforeAll(async () => {
  service = await startTestService();
  folder = await temporaryFolder();
  port = await freePort();
  const example = /```ts\n(?<code>.*?)```/s.exec(readFileSync(join(ROOT, 'docs/verifier.md'), 'utf8'));
  const code = (example?.groups?.['code'] ?? '')
    .replace('http://127.0.0.1:8080', service.httpUrl)
    .replace('http://127.0.0.1:50051', service.grpcUrl)
    .replace('http://localhost:8080', service.app.config.ISSUER)
    .replace('3000', String(port));
  writeFileSync(join(folder.path, 'gateway.ts'), code);
  writeFileSync(join(folder.path, 'package.json'), '{ "type": "module" }');
  const compilerOptions = { typeRoots: [join(ROOT, 'node_modules/@types')], noEmit: true };
  const project = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['gateway.ts'] };
  writeFileSync(join(folder.path, 'tsconfig.json'), JSON.stringify(project));
  mkdirSync(join(folder.path, 'node_modules'));
  symlinkSync(ROOT, join(folder.path, 'node_modules/latchkey'));
});
afterAll(() => folder.remove());

it('compiles', async () => {
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  const run = promisify(execFile)(tsc, ['-p', folder.path], { cwd: folder.path });
  await expect(run).resolves.toMatchObject({ stdout: '' });
});

it('lets in who is good, keeps out who is revoked, and cannot tell without the service', async () => {
  const gateway = spawn(process.execPath, ['gateway.ts'], {
    cwd: folder.path,
    env: { ...process.env, NODE_OPTIONS: '', GATEWAY_API_KEY: service.secrets?.gatewayApiKey ?? '' },
  });
  let printed = '';
  gateway.stderr.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const ask = async (authorization: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { authorization } });
    return `${response.status} ${(await response.text()).trim()}`;
  };
  try {
    await eventually(() => ask(''), { timeoutMs: 30_000, message: () => printed });
    const { accessToken } = await signUp(service, 'ada');
    const { user } = await service.user().getMe({}, bearer(accessToken));
    expect(await ask(`Bearer ${accessToken}`)).toBe(`200 hello ${user?.id}`);
    expect(await ask('Bearer forged')).toBe('401 invalid');
    const other = await signUp(service, 'grace');
    await service.auth().logout({}, bearer(accessToken));
    await eventually(async () => (await ask(`Bearer ${accessToken}`)) === '401 revoked');
    expect(await ask(`Bearer ${other.accessToken}`)).toMatch(/^200 hello/);
    await service.stop();
    await eventually(async () => (await ask(`Bearer ${other.accessToken}`)) === '503 revocations_stale');
  } finally {
    gateway.kill('SIGKILL');
  }
});
