// better-auth on Postgres (DATABASE_URL) as its documentation sets it up, with sign-up by email and password.

import { createServer } from 'node:http';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import pg from 'pg';

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const http = `http://127.0.0.1:${server.address().port}`;
const options = {
  baseURL: http,
  secret: 'a secret of at least thirty-two characters',
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 }),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
};
const { runMigrations } = await getMigrations(options);
await runMigrations();
server.on('request', toNodeHandler(betterAuth(options)));
process.once('SIGTERM', () => process.exit(0));
console.log(JSON.stringify({ msg: 'ready', http }));
