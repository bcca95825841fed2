// kill -9 in the middle of refreshes: after a restart the token that the client holds works, and there is one lineage.

import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import type { ServingChild } from '../support/child-service.ts';
import { endChild, serveChild, temporaryFolder } from '../support/child-service.ts';
import type { TestService } from '../support/service.ts';
import { GOOD_PASSWORD } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Auth, Variables } from './nodes.ts';
import {
  afterSuite,
  countEvents,
  nodeStarter,
  openSession,
  sharedVariables,
  storedSession,
  tryRefresh,
  note,
} from './nodes.ts';

// Long enough for any restart; what it is for is tested elsewhere.
const REFRESH_GRACE = '2m';
const CHAINS = 8;
/** Services that are killed side by side, each with sessions of its own. */
const LANES = 2;
/** The kill comes at random within so long after the first refreshes. */
const KILL_WITHIN_MS = 60;

/** A client that refreshes again and again, always with the newest token that it was given. */
type Chain = { held: string; refreshed: number };

const children: ServingChild[] = [];
const startTimes: number[] = [];

async function start(folder: string, variables: Variables): Promise<{ child: ServingChild; auth: Auth }> {
  const prefixed = Object.entries({ RATE_LIMITS: 'off', ...variables }).map(([name, value]) => [
    `LATCHKEY_${name}`,
    value,
  ]);
  const started = performance.now();
  const child = await serveChild(folder, Object.fromEntries(prefixed) as Record<string, string>);
  startTimes.push(performance.now() - started);
  children.push(child);
  const transport = createGrpcTransport({ baseUrl: `http://${child.grpcAddress}` });
  return { child, auth: createClient(AuthService, transport) };
}

async function refreshUntilKilled(auth: Auth, chain: Chain): Promise<void> {
  for (;;) {
    const outcome = await tryRefresh(auth, chain.held);
    if (outcome.refreshToken === undefined) return;
    chain.held = outcome.refreshToken;
    chain.refreshed += 1;
  }
}

/** Refreshes all chains, and kills the service somewhere on the way. */
async function killInTheMiddle(child: ServingChild, auth: Auth, chains: readonly Chain[]): Promise<void> {
  for (const chain of chains) chain.held = (await tryRefresh(auth, chain.held)).refreshToken ?? chain.held;
  setTimeout(() => child.signal('SIGKILL'), Math.random() * KILL_WITHIN_MS);
  await Promise.all(chains.map((chain) => refreshUntilKilled(auth, chain)));
  expect(await child.exit).toBeNull();
}

/** What the client holds works, works once more (its answer may have been lost), and leads to the same successor. */
async function expectOneLineage(auth: Auth, chain: Chain): Promise<string> {
  const first = await tryRefresh(auth, chain.held);
  const retry = await tryRefresh(auth, chain.held);
  expect([first.reason, retry.reason]).toEqual(['ok', 'ok']);
  expect(retry.refreshToken).toBe(first.refreshToken);
  const next = await tryRefresh(auth, first.refreshToken ?? '');
  expect(next.reason).toBe('ok');
  return next.refreshToken ?? '';
}

function report(where: string): void {
  const sorted = startTimes.toSorted((left, right) => left - right).map(Math.round);
  note(`start-up ${where}: median ${sorted[sorted.length >> 1]} ms, slowest ${sorted.at(-1)} ms`);
  startTimes.length = 0;
}

afterEach(async () => {
  await Promise.all(children.splice(0).map(endChild));
});

describeWithServices('kill -9 on Postgres', () => {
  const rounds = 50;
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let variables: Variables;
  // Makes the sessions and looks at them; the refreshes are the children's.
  let observer: TestService;

  beforeAll(async () => {
    variables = { ...(await sharedVariables(later)), REFRESH_GRACE };
    observer = await startNode(variables);
  });

  async function expectConsistent(auth: Auth, chain: Chain): Promise<void> {
    const content = observer.app.refreshTokenCodec.read(chain.held);
    if (content === undefined) throw new Error('the client holds no refresh token');
    const { sessionId, generation } = content;
    const stored = await storedSession(observer, sessionId);
    // The last answer may have been lost; nothing that was answered may be.
    expect([generation, generation + 1]).toContain(stored.generation);
    await expectOneLineage(auth, chain);
    expect((await storedSession(observer, sessionId)).generation).toBe(generation + 2);
    expect(await countEvents(observer, 'session.refresh_reuse', sessionId)).toBe(0);
  }

  it(`${rounds} times leaves the old or the new token working`, async () => {
    const { path, remove } = await temporaryFolder();
    later(remove);
    let refreshed = 0;
    const lane = async (): Promise<void> => {
      let { child, auth } = await start(path, variables);
      for (let round = 0; round < rounds / LANES; round += 1) {
        const sessions = await Promise.all(Array.from({ length: CHAINS }, () => openSession(observer)));
        const chains = sessions.map(({ tokens }) => ({ held: tokens.refreshToken, refreshed: 0 }));
        await killInTheMiddle(child, auth, chains);
        ({ child, auth } = await start(path, variables));
        const serving = auth;
        await Promise.all(chains.map((chain) => expectConsistent(serving, chain)));
        refreshed += chains.reduce((sum, chain) => sum + chain.refreshed, 0);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    report('on Postgres');
    note(`${refreshed} refreshes were acknowledged before ${rounds} kills`);
    expect(refreshed).toBeGreaterThan(rounds);
  }, 240_000);
});

describe('kill -9 on the embedded database', () => {
  const rounds = 5;
  const later = afterSuite();

  it(`${rounds} times loses nothing, and the data directory is taken over`, async () => {
    const { path, remove } = await temporaryFolder();
    later(remove);
    const variables = { DATA_DIR: path, REFRESH_GRACE };
    let { child, auth } = await start(path, variables);
    const chains: Chain[] = [];
    for (let index = 0; index < CHAINS; index += 1) {
      const email = `person-${index}@example.com`;
      await auth.register({ email, password: GOOD_PASSWORD, fullName: 'Test Person' });
      const { outcome } = await auth.login({ identifier: email, password: GOOD_PASSWORD });
      if (outcome.case === 'tokens') chains.push({ held: outcome.value.refreshToken, refreshed: 0 });
    }
    expect(chains).toHaveLength(CHAINS);
    for (let round = 0; round < rounds; round += 1) {
      await killInTheMiddle(child, auth, chains);
      ({ child, auth } = await start(path, variables));
      for (const chain of chains) chain.held = await expectOneLineage(auth, chain);
    }
    // Accounts and passwords are there too.
    const { outcome } = await auth.login({ identifier: 'person-0@example.com', password: GOOD_PASSWORD });
    expect(outcome.case).toBe('tokens');
    report('embedded');
  }, 120_000);
});
