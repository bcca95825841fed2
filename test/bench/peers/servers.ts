// Starts each peer and makes the call that is measured once, to see that it is answered as it should be.

import { join } from 'node:path';
import { SignJWT } from 'jose';
import { z } from 'zod';
import { findRedis, startPrivateRedis } from '../../support/private-redis.ts';
import { startPrivatePostgres } from '../../support/private-postgres.ts';
import { GOOD_PASSWORD } from '../../support/service.ts';
import type { Lab } from '../calls/lab.ts';
import type { LoadRequest } from '../calls/load-request.ts';
import { httpGet, httpPost, httpResponseBytes } from '../calls/requests.ts';
import type { Target } from '../calls/rounds.ts';
import type { Server } from '../calls/server.ts';
import { node } from '../calls/server.ts';
import { hasPythonModules, installPeer, PYTHON } from './install.ts';

const PRODUCTION = { NODE_ENV: 'production' };
const FORM = 'application/x-www-form-urlencoded';

/** Introspection of an opaque access token by oidc-provider. */
export async function openOidcProvider(lab: Lab): Promise<Target> {
  const server = await startNodePeer(lab, 'oidc-provider.mjs', ['oidc-provider@9.13.3'], PRODUCTION);
  const credentials = Buffer.from('gateway:a-secret-of-the-gateway').toString('base64');
  const authorization = `Basic ${credentials}`;
  const issued = await fetch(`${server.http}/token`, {
    method: 'POST',
    headers: { authorization, 'content-type': FORM },
    body: 'grant_type=client_credentials',
  });
  const { access_token: token } = z.object({ access_token: z.string() }).parse(await issued.json());
  return target(
    lab,
    server,
    httpPost(`${server.http}/token/introspection`, FORM, `token=${token}`, { authorization }),
    '"active":true',
  );
}

/** better-auth's look at a session cookie, in Postgres. */
export async function openBetterAuth(lab: Lab): Promise<Target> {
  const postgres = await startPrivatePostgres();
  lab.later(() => postgres.stop());
  const server = await startNodePeer(lab, 'better-auth.mjs', ['better-auth@1.7.25', 'pg@8.23.0'], {
    ...PRODUCTION,
    DATABASE_URL: postgres.url,
  });
  const signedUp = await fetch(`${server.http}/api/auth/sign-up/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: server.http },
    body: JSON.stringify({ name: 'Bench', email: 'bench@example.com', password: GOOD_PASSWORD }),
  });
  const cookie = signedUp.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
  return target(lab, server, httpGet(`${server.http}/api/auth/get-session`, { cookie }), 'bench@example.com');
}

/** GET /me of a FastAPI service; undefined, with a line on stderr, where Debian's packages of it are not installed. */
export async function openFastApi(lab: Lab): Promise<Target | undefined> {
  const modules = ['fastapi', 'uvicorn', 'asyncpg', 'jwt', 'redis.asyncio'];
  if (findRedis() === undefined || !(await hasPythonModules(modules))) {
    console.error(`fastapi skipped: it takes redis-server and ${PYTHON} with ${modules.join(', ')}`);
    return undefined;
  }
  const postgres = await startPrivatePostgres();
  lab.later(() => postgres.stop());
  const redis = await startPrivateRedis();
  lab.later(() => redis.stop());
  const secret = 'a secret of at least thirty-two characters';
  const server = await lab.server({
    command: [PYTHON, join(import.meta.dirname, 'fastapi-service.py')],
    variables: { DATABASE_URL: postgres.url, REDIS_URL: redis.url, JWT_SECRET: secret },
  });
  const token = await new SignJWT({ jti: '1' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('1')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));
  const headers = { authorization: `Bearer ${token}` };
  return target(lab, server, httpGet(`${server.http}/me`, headers), 'bench@example.com');
}

async function startNodePeer(
  lab: Lab,
  file: string,
  packages: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<Server> {
  const { program, remove } = await installPeer(join(import.meta.dirname, file), packages);
  lab.later(remove);
  return lab.server({ command: node(program), variables });
}

async function target(lab: Lab, server: Server, request: LoadRequest, expected: string): Promise<Target> {
  await httpResponseBytes(request, expected);
  return lab.target(server, request);
}
