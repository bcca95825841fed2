// How fast accounts with ready hashes come in: through ImportUsers over gRPC, and through `latchkey import`, each on a durable Postgres of its own.
// LATCHKEY_BENCH_IMPORT sets how many.

import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { randomBytes } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { AdminService, ImportUsersRequestSchema } from '../../gen/latchkey/v1/admin_service_pb.ts';
import type { ImportedUserSchema } from '../../gen/latchkey/v1/user_import_pb.ts';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import { bearer } from '../support/service.ts';
import { withDatabase } from './accounts.ts';
import { inParallel } from './load.ts';
import type { NodeUnderLoad } from './node-under-load.ts';
import { withNode } from './node-under-load.ts';
import { logIn, register } from './people.ts';
import type { Metric } from './report.ts';

const USERS = Number(process.env['LATCHKEY_BENCH_IMPORT'] ?? 200_000);
const PER_MESSAGE = 1_000;
const PER_CALL = 10_000;
const CALLS_AT_ONCE = 2;
const ENTRY = join(import.meta.dirname, '../../src/main.ts');

type User = MessageInitShape<typeof ImportedUserSchema>;

export async function benchImport(): Promise<Metric[]> {
  return [
    { name: 'import-rate', value: await rateOverGrpc(), unit: 'users/s', goal: '≥ 10000' },
    { name: 'import-cli-rate', value: await rateOfCommand(), unit: 'users/s', goal: '≥ 10000' },
  ];
}

// Well formed, and the hash of no password.
function user(number: number): User & { readonly passwordHash: string } {
  const digits = randomBytes(40).toString('base64url').replaceAll(/[-_]/g, 'x');
  return {
    externalId: `legacy-${number}`,
    email: `person.${number}@example.com`,
    emailVerified: true,
    username: `person-${number}`,
    fullName: `Person Number ${number}`,
    passwordHash: `$2b$10$${digits.slice(0, 21)}u${digits.slice(22, 52)}e`,
  };
}

const usersFrom = (start: number, count: number) =>
  Array.from({ length: count }, (_, index) => user(start + index));

function rateOverGrpc(): Promise<number> {
  return withNode({}, async (node, databaseUrl) => {
    const options = bearer(await administratorToken(databaseUrl, node));
    const admin = createClient(AdminService, node.transport);
    const calls = Array.from({ length: Math.ceil(USERS / PER_CALL) }, (_call, call) =>
      Array.from({ length: Math.min(PER_CALL, USERS) / PER_MESSAGE }, (_message, message) =>
        create(ImportUsersRequestSchema, {
          users: usersFrom(call * PER_CALL + message * PER_MESSAGE, PER_MESSAGE),
        }),
      ),
    );
    const seconds = await inParallel(calls.length, CALLS_AT_ONCE, async (index) => {
      const { created } = await admin.importUsers(stream(calls[index] ?? []), options);
      if (created !== BigInt((calls[index]?.length ?? 0) * PER_MESSAGE))
        throw new Error('not all of them came in');
    });
    return (calls.length * Math.min(PER_CALL, USERS)) / seconds;
  });
}

async function administratorToken(url: string, { auth }: NodeUnderLoad): Promise<string> {
  const email = 'importer@example.org';
  await register(auth, email);
  await withDatabase(url, (client) =>
    client.query(`update users set role = 'admin' where email = $1`, [email]),
  );
  return (await logIn(auth, email)).accessToken;
}

async function* stream<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

// With its start, which is a second or so.
async function rateOfCommand(): Promise<number> {
  const postgres = await startPrivatePostgres({ durable: true });
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'));
  try {
    const file = join(folder, 'users.ndjson');
    const lines = function* lines() {
      for (let number = 0; number < USERS; number += 1) yield `${JSON.stringify(user(number))}\n`;
    };
    await pipeline(Readable.from(lines()), createWriteStream(file));
    const run = async (...args: string[]) =>
      promisify(execFile)(process.execPath, [ENTRY, ...args], {
        env: {
          ...process.env,
          LATCHKEY_DATABASE_URL: postgres.url,
          LATCHKEY_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
        },
      });
    await run('migrate');
    const begin = performance.now();
    const { stdout } = await run('import', file, '--no-progress');
    const seconds = (performance.now() - begin) / 1_000;
    if (!stdout.startsWith(`${USERS} created`)) throw new Error(`not all of them came in: ${stdout}`);
    return USERS / seconds;
  } finally {
    await rm(folder, { recursive: true, force: true });
    await postgres.stop();
  }
}
