// Ten thousand concurrent refreshes of one token, on one node and on two: one lineage, one successor, no alarm.

import { beforeAll, describe, expect, it, vi } from 'vitest';
import { sql } from 'kysely';
import { refresh } from '../../src/domain/session/refresh.ts';
import { ageRotation } from '../support/age-rotation.ts';
import { ORIGIN } from '../support/samples.ts';
import type { TestService } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { FloodOutcome } from './flood-client.ts';
import { FloodClient } from './flood-client.ts';
import {
  afterSuite,
  countEvents,
  isWaitingForLock,
  nodeStarter,
  openSession,
  sharedVariables,
  storedSession,
  tally,
  tryRefresh,
  note,
} from './nodes.ts';

const CALLS = 10_000;
// A connection carries a thousand calls at once: these carry all of them.
const CONNECTIONS = 10;
// Beside OK, what a node that has more calls than it can serve may answer. UNAUTHENTICATED would be a theft alarm, INTERNAL a bug.
const TOLERATED = new Set(['OK', 'UNAVAILABLE', 'DEADLINE_EXCEEDED']);

// The grace is long, so that a slow machine does not make retries of the race into replays: this is about the race.
const patient = { REFRESH_GRACE: '5m' };

async function flood(nodes: readonly TestService[], refreshToken: string): Promise<readonly FloodOutcome[]> {
  const clients = Array.from(
    { length: CONNECTIONS },
    (_, index) => new FloodClient(nodes[index % nodes.length]!.grpcAddress),
  );
  const started = performance.now();
  const outcomes = await Promise.all(
    Array.from({ length: CALLS }, (_, index) => clients[index % clients.length]!.refresh(refreshToken)),
  );
  const took = Math.round(performance.now() - started);
  note(`${CALLS} refreshes of one token on ${nodes.length} node(s): ${took} ms`, codesOf(outcomes));
  for (const client of clients) client.close();
  return outcomes;
}

const codesOf = (outcomes: readonly FloodOutcome[]) => tally(outcomes.map(({ code }) => code));

async function expectOneLineage(nodes: readonly TestService[]): Promise<void> {
  const node = nodes[0]!;
  const { session, tokens } = await openSession(node);
  const outcomes = await flood(nodes, tokens.refreshToken);

  expect(Object.keys(codesOf(outcomes)).filter((code) => !TOLERATED.has(code))).toEqual([]);
  const successors = new Set(outcomes.flatMap(({ refreshToken }) => refreshToken ?? []));
  expect(successors.size).toBe(1);
  expect(await storedSession(node, session.id)).toMatchObject({ generation: 2, revokeTime: undefined });
  expect(await countEvents(node, 'session.refresh_reuse', session.id)).toBe(0);

  const next = await tryRefresh(nodes.at(-1)!.auth(), [...successors][0]!);
  expect(next.reason).toBe('ok');
  expect((await storedSession(node, session.id)).generation).toBe(3);
}

describe('ten thousand refreshes of one token, embedded', () => {
  const startNode = nodeStarter();

  it('leave one lineage', async () => {
    await expectOneLineage([await startNode(patient)]);
  }, 120_000);
});

describeWithServices('ten thousand refreshes of one token, on Postgres and Redis', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  const nodes: TestService[] = [];

  beforeAll(async () => {
    const variables = { ...(await sharedVariables(later)), ...patient };
    nodes.push(await startNode(variables), await startNode(variables));
  });

  it('leave one lineage on one node', () => expectOneLineage(nodes.slice(0, 1)), 120_000);

  it('leave one lineage with half of them on each of two nodes', () => expectOneLineage(nodes), 120_000);

  it('leave one lineage when they meet in the database', async () => {
    const { session, tokens } = await openSession(nodes[0]!);
    const input = { refreshToken: tokens.refreshToken, scopes: [], origin: ORIGIN };
    const tokenSets = await Promise.all(
      Array.from({ length: 500 }, (_, index) => refresh(nodes[index % 2]!.app, input)),
    );
    expect(new Set(tokenSets.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    expect((await storedSession(nodes[0]!, session.id)).generation).toBe(2);
  });

  it('take a retry that waited long for the database for what it is', async () => {
    const [node, other] = [nodes[0]!, nodes[1]!];
    const { session, tokens } = await openSession(node);
    const first = await tryRefresh(node.auth(), tokens.refreshToken);
    let waitedMs = 0;
    const stopwatch = vi.spyOn(other.app, 'stopwatch');
    stopwatch.mockImplementation(() => performance.now() + waitedMs);
    const waiting = await node.app.database.tables.transaction().execute(async (transaction) => {
      await sql`lock table sessions in access exclusive mode`.execute(transaction);
      const call = tryRefresh(other.auth(), tokens.refreshToken);
      await isWaitingForLock(node);
      waitedMs = 600_000;
      await ageRotation({ tables: transaction }, session.id, waitedMs);
      return { call };
    });
    expect((await waiting.call).refreshToken).toBe(first.refreshToken);
    stopwatch.mockRestore();
    expect(await countEvents(node, 'session.refresh_reuse', session.id)).toBe(0);
  });
});
