// Postgres hangs, dies, comes back: what is cached goes on, the rest is refused in time, nothing is half done, the node heals by itself.

import { beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { eventually, eventuallyPasses } from '../support/eventually.ts';
import type { PrivatePostgres } from '../support/private-postgres.ts';
import { startPrivatePostgres, withClient } from '../support/private-postgres.ts';
import type { TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, signUp } from '../support/service.ts';
import { describeWithServices, redisKeyPrefix, redisUrl } from '../support/services.ts';
import { healthOf } from './health-client.ts';
import type { Auth, Held, Variables } from './nodes.ts';
import {
  afterSuite,
  gatewayOf,
  newMasterKey,
  nodeStarter,
  openSession,
  outcomeOf,
  storedSession,
  tally,
  tryRefresh,
} from './nodes.ts';

const TIMEOUT_MS = 500;
// A call is one wait for a connection and one for an answer at the most; the rest is for a busy machine.
const ANSWER_WITHIN_MS = 2 * TIMEOUT_MS + 1_000;
const TOLERATED = new Set(['ok', 'STORAGE_UNAVAILABLE']);
const Readiness = z.object({ status: z.string(), checks: z.object({ database: z.string() }) });

describeWithServices('a node whose Postgres fails', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let postgres: PrivatePostgres;
  let variables: Variables;
  let node: TestService;
  let auth: Auth;
  let held: Held;

  beforeAll(async () => {
    postgres = await startPrivatePostgres();
    later(() => postgres.stop());
    variables = {
      DATABASE_URL: postgres.url,
      DATABASE_TIMEOUT: `${TIMEOUT_MS}ms`,
      REDIS_URL: redisUrl(),
      REDIS_KEY_PREFIX: redisKeyPrefix(),
      MASTER_KEY: newMasterKey(),
    };
    node = await startNode(variables);
    auth = node.auth();
    await signUp(node, 'person');
  });
  beforeEach(async () => {
    held = await eventually(() => openSession(node));
    // The gateway's key and the token are remembered from here on.
    await eventually(() => isActive(held.tokens.accessToken));
  });

  async function isActive(token: string): Promise<boolean> {
    return (await auth.validateToken({ token }, gatewayOf(node))).active;
  }

  async function readiness(): Promise<string> {
    const response = await fetch(`${node.httpUrl}/readyz`);
    const { status, checks } = Readiness.parse(await response.json());
    return `${response.status} ${status} ${checks.database}`;
  }

  async function expectRefusedInTime(call: () => Promise<unknown>): Promise<void> {
    const started = performance.now();
    expect(await outcomeOf(call())).toBe('STORAGE_UNAVAILABLE');
    expect(performance.now() - started).toBeLessThan(ANSWER_WITHIN_MS);
  }

  const login = () => auth.login({ identifier: 'person@example.com', password: GOOD_PASSWORD });
  const refresh = () => auth.refreshToken({ refreshToken: held.tokens.refreshToken });

  it.each([
    ['hangs', async () => postgres.pause(), async () => postgres.resume()],
    ['is down', () => postgres.stopServer('fast'), () => postgres.startServer()],
    ['has crashed', () => postgres.stopServer('immediate'), () => postgres.startServer()],
  ])('validates while it %s, refuses the rest in time, says so, and heals', async (_name, fail, recover) => {
    await fail();
    try {
      expect(await isActive(held.tokens.accessToken)).toBe(true);
      await expectRefusedInTime(login);
      await expectRefusedInTime(refresh);
      await expectRefusedInTime(() => auth.logout({}, bearer(held.tokens.accessToken)));
      await eventuallyPasses(async () => expect(await readiness()).toBe('200 degraded down'));
      expect(await healthOf(node)).toBe('SERVING');
      expect(await isActive(held.tokens.accessToken)).toBe(true);
      expect(await isActive(`${held.tokens.accessToken.slice(0, -8)}AAAAAAAA`)).toBe(false);
    } finally {
      await recover();
    }
    await eventuallyPasses(async () => expect(await readiness()).toBe('200 ready up'));
    await eventuallyPasses(async () => expect(await healthOf(node)).toBe('SERVING'));
    await eventually(() => login());
    const fresh = await openSession(node);
    expect((await tryRefresh(auth, fresh.tokens.refreshToken)).reason).toBe('ok');
  });

  it('acknowledges nothing that is not committed, after it hung in the middle of a transaction', async () => {
    // One connection: who comes next gets the one that was interrupted.
    const narrow = await startNode({ ...variables, DATABASE_POOL_SIZE: '1' });
    const victim = await openSession(node);
    const fresh: Held[] = [];
    // One by one: together they wait for each other's connections, which the short timeout does not suffer.
    while (fresh.length < 40) fresh.push(await openSession(node));
    await withClient(postgres.url, async (blocker) => {
      await blocker.query('begin');
      await blocker.query('lock table users in access exclusive mode');
      const interrupted = narrow.app
        .transact(async (stores) => {
          await stores.sessions.revoke(victim.session.id, victim.user.id, Date.now());
          return stores.users.findById(victim.user.id);
        })
        .catch((error: unknown) => error);
      // A statement is under way when the server hangs, and is cancelled when it goes on.
      await eventually(
        async () => {
          const waiting =
            "select 1 from pg_stat_activity where application_name = 'latchkey' and wait_event_type = 'Lock'";
          return (await blocker.query(waiting)).rowCount === 1;
        },
        { intervalMs: 0 },
      );
      postgres.pause();
      expect(await interrupted).toMatchObject({ reason: 'STORAGE_UNAVAILABLE' });
      postgres.resume();
      await blocker.query('rollback');
    });

    const narrowAuth = narrow.auth();
    const outcomes: string[] = [];
    for (const { tokens } of fresh) outcomes.push((await tryRefresh(narrowAuth, tokens.refreshToken)).reason);
    expect(Object.keys(tally(outcomes)).filter((reason) => !TOLERATED.has(reason))).toEqual([]);
    // A connection of its own sees what is committed, and only that.
    const generations = await withClient(postgres.url, async (client) => {
      const ids = fresh.map(({ session }) => session.id);
      const query = 'select id, generation from sessions where id = any($1)';
      const { rows } = await client.query<{ id: string; generation: number }>(query, [ids]);
      return new Map(rows.map(({ id, generation }) => [id, generation]));
    });
    const lost = fresh.filter(
      ({ session }, index) => outcomes[index] === 'ok' && generations.get(session.id) !== 2,
    );
    expect(lost.map(({ session }) => session.id)).toEqual([]);
    await eventually(() =>
      tryRefresh(narrowAuth, held.tokens.refreshToken).then(({ reason }) => reason === 'ok'),
    );
    expect((await storedSession(node, victim.session.id)).revokeTime).toBeUndefined();
  });
});
