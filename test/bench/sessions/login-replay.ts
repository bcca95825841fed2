// Logins without their hash, and the statements that they send, recorded once and sent again bare.

import { AsyncLocalStorage } from 'node:async_hooks';
import { hash } from 'node:crypto';
import type { PoolClient } from 'pg';
import { Client, Pool } from 'pg';
import { z } from 'zod';
import type { LoginInput } from '../../../src/domain/session/login.ts';
import { login } from '../../../src/domain/session/login.ts';
import { GOOD_PASSWORD } from '../../support/service.ts';
import type { TestService } from '../../support/service.ts';
import { inParallel } from '../load.ts';
import { register } from '../people.ts';

/** More than run at once: no two logins under way are one account's, whose row one of them would wait for. */
const ACCOUNTS = 128;
const POOL_SIZE = 20;

const Sent = z.object({ text: z.string(), values: z.array(z.unknown()).default([]) });
type Sent = z.infer<typeof Sent>;
/** What one account's login sends, in order. */
type Recording = readonly Sent[];

/** Runs so many logins, so many at once; resolves to the seconds that it took. */
export type RunLogins = (total: number, concurrency: number) => Promise<number>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const recorded = new AsyncLocalStorage<Sent[]>();

/** Both ways to log in to the accounts of a fresh service: through it, and by its statements alone. */
export async function prepareLogins(
  service: TestService,
  url: string,
): Promise<{ ours: RunLogins; bare: RunLogins }> {
  const { app } = service;
  const auth = service.auth();
  const inputs: LoginInput[] = [];
  for (let index = 0; index < ACCOUNTS; index += 1) {
    const identifier = `bench-${index}@example.com`;
    await register(auth, identifier);
    const origin = { ipAddress: '127.0.0.1', userAgent: 'bench', requestId: 'bench' };
    inputs.push({
      identifier,
      password: GOOD_PASSWORD,
      scopes: [],
      deviceName: '',
      useCookie: false,
      origin,
    });
  }
  const deps = { ...app, passwordHasher: withoutHash(app.passwordHasher) };
  const logIn = async (index: number) => {
    const input = inputs[index % ACCOUNTS];
    if (input !== undefined) await login(deps, input);
  };
  // The first login of an account meets an unknown device; those that count do not.
  for (let index = 0; index < ACCOUNTS; index += 1) await logIn(index);
  const recordings = await recordEach(logIn);
  const pool = new Pool({ connectionString: url, max: POOL_SIZE });
  return {
    ours: (total, concurrency) => inParallel(total, concurrency, logIn),
    bare: (total, concurrency) =>
      inParallel(total, concurrency, (index) => replay(pool, recordings[index % ACCOUNTS] ?? [], app.newId)),
  };
}

type Hasher = TestService['app']['passwordHasher'];

function withoutHash(hasher: Hasher): Hasher {
  return { ...hasher, admit: (work) => work(), verify: async () => true, needsRehash: () => false };
}

// By the driver's own method, in whatever way the service comes to it.
async function recordEach(logIn: (index: number) => Promise<void>): Promise<readonly Recording[]> {
  const original = Client.prototype.query;
  const observed = function (this: Client, ...args: unknown[]): unknown {
    const [first, second] = args;
    const sent = Sent.safeParse(typeof first === 'string' ? { text: first, values: second ?? [] } : first);
    if (sent.success) recorded.getStore()?.push(sent.data);
    return Reflect.apply(original, this, args);
  };
  Object.assign(Client.prototype, { query: observed });
  const recordings: Recording[] = [];
  try {
    for (let index = 0; index < ACCOUNTS; index += 1) {
      const statements: Sent[] = [];
      await recorded.run(statements, () => logIn(index));
      recordings.push(statements);
    }
  } finally {
    Object.assign(Client.prototype, { query: original });
  }
  return recordings;
}

/** Sends what was recorded, prepared by name, with new ids in the place of those that were made for the recorded login. */
async function replay(pool: Pool, recording: Recording, newId: () => string): Promise<void> {
  const made = new Map<string, string>();
  const isMade = (text: string, value: unknown): value is string =>
    /^\s*(?:with event|insert into (?:sessions|outbox|audit))/.test(text) &&
    typeof value === 'string' &&
    UUID.test(value);
  const owners = new Set(
    recording.filter(({ text }) => /^\s*update users/.test(text)).flatMap(({ values }) => values),
  );
  const renewed = (text: string, values: readonly unknown[]) =>
    values.map((value) => {
      if (!isMade(text, value) || owners.has(value)) return value;
      const known = made.get(value) ?? newId();
      made.set(value, known);
      return known;
    });
  let client: PoolClient | undefined;
  for (const { text, values } of recording) {
    if (text.startsWith('begin')) client = await pool.connect();
    const name = values.length === 0 ? {} : { name: hash('sha256', text, 'hex').slice(0, 32) };
    await (client ?? pool).query({ ...name, text, values: renewed(text, values) });
    if (text !== 'commit') continue;
    client?.release();
    client = undefined;
  }
}
