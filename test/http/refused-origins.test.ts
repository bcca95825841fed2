// Refused origins: each is logged once, so that operators know what is missing.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { refusedOrigins } from '../../src/edge/http/refused-origins.ts';
import type { RunningHttpServer } from '../../src/edge/http/server.ts';
import { startBareHttpServer } from '../support/http-server.ts';

const OWN = 'https://id.example.com';
const told: string[] = [];
let server: RunningHttpServer;
beforeAll(async () => {
  server = await startBareHttpServer({
    allowedOrigins: new Set(['https://a.example.com']),
    handler: (_request, response) => void response.end('{}'),
    onRefusedOrigin: refusedOrigins(OWN, (origin) => told.push(origin)),
  });
});
afterAll(() => server.close(0));

const call = (origin: string, method = 'OPTIONS') =>
  fetch(`http://127.0.0.1:${server.port}/`, { method, headers: { origin } });

it('each once, by preflight or call, and no allowed one', async () => {
  for (const origin of ['https://a.example.com', OWN, 'https://b.example.com', 'https://b.example.com/'])
    for (const method of ['OPTIONS', 'POST', 'GET']) await call(origin, method);
  expect(told).toEqual(['https://b.example.com', 'https://b.example.com/']);
});

it('not more than a few, however many are made up', async () => {
  for (let site = 0; site < 50; site += 1) await call(`https://${site}.example.net`);
  await call(`https://${'x'.repeat(1_000)}.example.net`);
  expect(told).toHaveLength(20);
});
