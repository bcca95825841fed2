// Nodes that share one database and one Redis, and sessions made in bulk: what the tests of this folder start from.

import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@connectrpc/connect';
import { ConnectError } from '@connectrpc/connect';
import { sql } from 'kysely';
import { afterAll, describe } from 'vitest';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import type { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import type { Session } from '../../src/domain/session/session.ts';
import type { User } from '../../src/domain/account/user.ts';
import type { TokenSet } from '../../src/domain/session/issue-tokens.ts';
import { issueTokens } from '../../src/domain/session/issue-tokens.ts';
import { openServerDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { sampleSession, sampleUser, DAY_MS } from '../support/samples.ts';
import type { TestService, TestServiceOptions } from '../support/service.ts';
import { bearer, startTestService } from '../support/service.ts';
import {
  createTestDatabase,
  describeWithServices,
  redisKeyPrefix,
  redisUrl,
  templateDatabase,
} from '../support/services.ts';

/** Variables that make nodes belong together. */
export type Variables = Readonly<Record<string, string>>;
/** A client of AuthService. */
export type Auth = Client<typeof AuthService>;
/** A live session as its owner holds it. */
export type Held = { readonly user: User; readonly session: Session; readonly tokens: TokenSet };

/** Starts one more node; it is stopped after the suite. */
export type StartNode = (variables?: Variables, options?: TestServiceOptions) => Promise<TestService>;

/** Starts the two nodes of a suite; embedded they are one. */
export type OpenNodes = (options?: TestServiceOptions) => Promise<[TestService, TestService]>;

/** Makes `undo` run after the suite, last in first out. */
export function afterSuite(): (undo: () => Promise<unknown>) => void {
  const undos: Array<() => Promise<unknown>> = [];
  afterAll(async () => {
    for (const undo of undos.toReversed()) await undo();
  });
  return (undo) => undos.push(undo);
}

/** A way to start nodes that are stopped after the suite. Emails that nobody reads go to the system's temporary folder. */
export function nodeStarter(later = afterSuite()): StartNode {
  return async (variables = {}, options = {}) => {
    const node = await startTestService({
      ...options,
      variables: { DATA_DIR: join(tmpdir(), 'latchkey-fault-tests'), ...variables },
    });
    later(() => node.stop());
    return node;
  };
}

/** The variables of a fresh database of the run's Postgres, with the run's Redis; dropped after the suite. */
export async function sharedVariables(later: ReturnType<typeof afterSuite>): Promise<Variables> {
  const template = await templateDatabase('schema', async (url) => {
    const database = await openServerDatabase(url);
    await database.migrate();
    await database.close();
  });
  const database = await createTestDatabase({ template });
  later(() => database.drop());
  return {
    DATABASE_URL: database.url,
    REDIS_URL: redisUrl(),
    REDIS_KEY_PREFIX: `${redisKeyPrefix()}${randomBytes(4).toString('hex')}:`,
    MASTER_KEY: newMasterKey(),
  };
}

/** A master key as LATCHKEY_MASTER_KEY takes it. */
export function newMasterKey(): string {
  return randomBytes(32).toString('base64');
}

/** A suite on one embedded node, and on two nodes over one Postgres and one Redis. */
export function describeOnEveryBackend(
  name: string,
  suite: (openNodes: OpenNodes, backend: 'embedded' | 'server') => void,
): void {
  describe(`${name}, embedded`, () => {
    const startNode = nodeStarter();
    suite(async (options) => {
      const node = await startNode(options?.variables, options);
      return [node, node];
    }, 'embedded');
  });
  describeWithServices(`${name}, two nodes on Postgres and Redis`, () => {
    const later = afterSuite();
    const startNode = nodeStarter(later);
    suite(async (options) => {
      const variables = { ...(await sharedVariables(later)), ...options?.variables };
      return [await startNode(variables, options), await startNode(variables, options)];
    }, 'server');
  });
}

/** A new account in the node's database. */
export async function openAccount(node: TestService): Promise<User> {
  const made = sampleUser({ createTime: node.app.clock.now() });
  await node.app.users.insert(made);
  const user = await node.app.users.findById(made.id);
  if (user === undefined) throw new Error('the account is not there');
  return user;
}

/** A new session of `user` (of a new account by default) with its first tokens, without the cost of a login. */
export async function openSession(node: TestService, owner?: User): Promise<Held> {
  const user = owner ?? (await openAccount(node));
  const now = node.app.clock.now();
  const session = sampleSession(user.id, {
    authTime: now,
    createTime: now,
    lastSeenTime: now,
    expireTime: now + 7 * DAY_MS,
    maxExpireTime: now + 30 * DAY_MS,
    epoch: user.sessionEpoch,
  });
  await node.app.sessions.insert(session);
  return { user, session, tokens: await issueTokens(node.app, user, session, 1, []) };
}

/** The session as it is stored. */
export async function storedSession(node: TestService, id: string): Promise<Session> {
  const found = await node.app.sessions.findWithUser(id);
  if (found === undefined) throw new Error(`there is no session ${id}`);
  return found.session;
}

/** Resolves when the nodes know again which tokens are revoked, after a jump of their clocks. */
export async function becomeFresh(...nodes: readonly TestService[]): Promise<void> {
  await eventually(() => nodes.every((node) => node.app.revocationIndex.isFresh()));
}

/** How many audit events of this kind name the target. */
export async function countEvents(node: TestService, kind: string, targetId: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from audit_events where kind = ${kind} and target_id = ${targetId}`.execute(
    node.app.database.tables,
  );
  return rows[0]?.count ?? 0;
}

/** Resolves when a statement in the node's database waits for a lock. */
export async function isWaitingForLock(node: TestService): Promise<void> {
  await eventually(async () => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(node.app.database.tables);
    return (rows[0]?.count ?? 0) > 0;
  });
}

/** The reason in the ErrorInfo of a failed call; the code and the message of a call that failed without one. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof ConnectError)) return `not a ConnectError: ${String(error)}`;
  return error.findDetails(ErrorInfoSchema)[0]?.reason ?? `code ${error.code}: ${error.rawMessage}`;
}

/** 'ok', or the reason why the call failed. */
export function outcomeOf(call: Promise<unknown>): Promise<string> {
  return call.then(() => 'ok', reasonOf);
}

/** What a refresh came to. */
export type RefreshOutcome =
  | { readonly reason: 'ok'; readonly accessToken: string; readonly refreshToken: string }
  | { readonly reason: string; readonly accessToken?: undefined; readonly refreshToken?: undefined };

/** Refreshes; never rejects. */
export async function tryRefresh(auth: Auth, refreshToken: string): Promise<RefreshOutcome> {
  try {
    const { tokens } = await auth.refreshToken({ refreshToken });
    return {
      reason: 'ok',
      accessToken: tokens?.accessToken ?? '',
      refreshToken: tokens?.refreshToken ?? '',
    };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

/** The gateway's credential: it may ask about tokens. */
export function gatewayOf(node: TestService): ReturnType<typeof bearer> {
  if (node.secrets === undefined) throw new Error('only the first node of a database knows the gateway key');
  return bearer(node.secrets.gatewayApiKey);
}

/** How often each text occurs. */
export function tally(texts: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const text of texts) counts[text] = (counts[text] ?? 0) + 1;
  return counts;
}

/** Prints a figure that a test records and does not judge. */
export function note(...parts: readonly unknown[]): void {
  const text = parts.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' ');
  process.stdout.write(`${text}\n`);
}
