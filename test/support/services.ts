// What a test file uses to reach the run's Postgres and Redis, and to be skipped by name where one of them is missing.
import { randomBytes } from 'node:crypto';
import { describe, inject } from 'vitest';

import { findPgBouncer } from './private-pgbouncer.ts';
import { withClient } from './private-postgres.ts';

/** What the global set-up hands to every test file. */
export interface TestServices {
  /** Marks everything that this run creates. */
  readonly runId: string;
  readonly postgresUrl: string | null;
  readonly redisUrl: string | null;
}

declare module 'vitest' {
  interface ProvidedContext {
    latchkeyServices: TestServices;
  }
}

/** A database of its own for a test. */
export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  /** Drops it, disconnecting all sessions. */
  drop(): Promise<void>;
}

function services(): TestServices {
  const provided = inject('latchkeyServices') as TestServices | undefined;
  if (provided === undefined) {
    throw new Error(
      'this folder belongs to the service-free unit tests: move the test, or see vitest.config.ts',
    );
  }
  return provided;
}

/** Whether this run has a Postgres. */
export function postgresAvailable(): boolean {
  return services().postgresUrl !== null;
}

/** Whether this run has a Redis. */
export function redisAvailable(): boolean {
  return services().redisUrl !== null;
}

/** The maintenance database of the run's Postgres; tests work in databases from `createTestDatabase`. */
export function postgresUrl(): string {
  return services().postgresUrl ?? missing('postgres');
}

/** The run's Redis; tests put `redisKeyPrefix()` before every key. */
export function redisUrl(): string {
  return services().redisUrl ?? missing('redis');
}

/** A suite that needs Postgres. */
export function describeWithPostgres(name: string, suite: () => void): void {
  describeUnlessMissing(name, suite, postgresAvailable() ? [] : ['postgres']);
}

/** A suite that needs Redis. */
export function describeWithRedis(name: string, suite: () => void): void {
  describeUnlessMissing(name, suite, redisAvailable() ? [] : ['redis']);
}

/** A suite that needs both. */
export function describeWithServices(name: string, suite: () => void): void {
  const lacking = [postgresAvailable() ? '' : 'postgres', redisAvailable() ? '' : 'redis'].filter(Boolean);
  describeUnlessMissing(name, suite, lacking);
}

/** A suite that needs both, and the program pgbouncer. */
export function describeWithPgBouncer(name: string, suite: () => void): void {
  const lacking = [
    postgresAvailable() ? '' : 'postgres',
    redisAvailable() ? '' : 'redis',
    findPgBouncer() === undefined ? 'pgbouncer' : '',
  ].filter(Boolean);
  describeUnlessMissing(name, suite, lacking);
}

function describeUnlessMissing(name: string, suite: () => void, lacking: readonly string[]): void {
  if (lacking.length === 0) describe(name, suite);
  else describe.skip(`${name} (skipped: ${lacking.join(' and ')} not found)`, suite);
}

function missing(service: string): never {
  throw new Error(`${service} not found: put the suite inside describeWith… so that it is skipped by name`);
}

/** Creates a database with a unique name, empty or as a copy of `template`. */
export async function createTestDatabase(
  options: { readonly template?: string } = {},
): Promise<TestDatabase> {
  const name = `latchkey_${services().runId}_${randomBytes(6).toString('hex')}`;
  const copy = options.template === undefined ? '' : ` TEMPLATE "${options.template}"`;
  await withClient(postgresUrl(), (client) => client.query(`CREATE DATABASE "${name}"${copy}`));
  return {
    name,
    url: databaseUrl(name),
    drop: async () => {
      await withClient(postgresUrl(), (client) =>
        client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`),
      );
    },
  };
}

/**
 * The name of a database that `prepare` has migrated, to be cloned by `createTestDatabase({ template })`. Whichever test file asks
 * first makes it, the others wait; `prepare` must have closed its connections when it resolves, or Postgres refuses the copies.
 */
export async function templateDatabase(
  key: string,
  prepare: (url: string) => Promise<void>,
): Promise<string> {
  if (!/^[a-z0-9_]{1,24}$/.test(key)) throw new Error(`a template's key is 1-24 of a-z, 0-9 and _: ${key}`);
  const name = `latchkey_${services().runId}_template_${key}`;
  return withClient(postgresUrl(), async (client) => {
    // Held by this connection, so that a test file that dies lets the next one in.
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [name]);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) {
      const draft = await createTestDatabase();
      await prepare(draft.url);
      await client.query(`ALTER DATABASE "${draft.name}" RENAME TO "${name}"`);
    }
    return name;
  });
}

function databaseUrl(name: string): string {
  const url = new URL(postgresUrl());
  url.pathname = `/${name}`;
  return url.href;
}

let filePrefix: string | undefined;

/** The prefix of every Redis key of this test file, unlike that of any other file or run. */
export function redisKeyPrefix(): string {
  filePrefix ??= `latchkey:${services().runId}:${randomBytes(6).toString('hex')}:`;
  return filePrefix;
}
