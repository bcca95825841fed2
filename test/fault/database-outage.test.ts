// Postgres cannot be asked for a while: gateways' keys, cookie sessions and roles stay good for the grace, and calls do not pile up.

import { beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { API_KEY_CACHE_MS } from '../../src/domain/api-key/api-key-directory.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { eventually } from '../support/eventually.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import type { TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, signUp } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Auth, Held, Variables } from './nodes.ts';
import {
  afterSuite,
  becomeFresh,
  gatewayOf,
  nodeStarter,
  openSession,
  outcomeOf,
  reasonOf,
  sharedVariables,
  tally,
} from './nodes.ts';

const TIMEOUT_MS = 500;
const CALLS = 200;
// One that the calls wait for, and one a second after it.
const MAX_QUERIES = 20;
const ORIGIN = 'http://app.test';

describeWithServices('a node whose database cannot be asked', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  const clock = new FakeClock(Date.now());
  let proxy: TcpProxy;
  let node: TestService;
  /** On the same database and Redis, without the proxy. */
  let other: TestService;
  let auth: Auth;
  let held: Held;

  beforeAll(async () => {
    const variables: Variables = {
      ...(await sharedVariables(later)),
      ALLOWED_ORIGINS: ORIGIN,
      DATABASE_OUTAGE_GRACE: '5m',
    };
    const url = variables['DATABASE_URL'] ?? '';
    proxy = await startTcpProxy(Number(new URL(url).port));
    later(() => proxy.close());
    node = await startNode(
      { ...variables, DATABASE_URL: proxy.through(url), DATABASE_TIMEOUT: `${TIMEOUT_MS}ms` },
      { clock },
    );
    other = await startNode(variables, { clock });
    auth = node.auth();
    await signUp(node, 'person');
  });

  beforeEach(async () => {
    await becomeFresh(node, other);
    held = await openSession(other);
  });

  const validate = (token: string) =>
    auth
      .validateToken({ token }, gatewayOf(node))
      .then(({ active }) => (active ? 'active' : 'inactive'), reasonOf);

  /** Lets a cookie session begin; resolves to its Cookie header. */
  async function openCookie(): Promise<string> {
    const response = await fetch(`${node.httpUrl}/latchkey.v1.AuthService/Login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: ORIGIN },
      body: JSON.stringify({ identifier: 'person@example.com', password: GOOD_PASSWORD, useCookie: true }),
    });
    return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  }

  const validateCookie = (cookie: string) => validate(cookie.replace(/^[^=]+=/, ''));

  const faults: ReadonlyArray<[string, () => unknown]> = [
    ['stalls', () => proxy.stall()],
    ['refuses', () => proxy.refuse()],
    ['resets', () => proxy.reset()],
  ];

  it.each(faults)(
    'validates by cached keys and cookies while it %s, piling nothing up',
    async (_name, fail) => {
      const cookie = await openCookie();
      expect(await validate(held.tokens.accessToken)).toBe('active');
      expect(await validateCookie(cookie)).toBe('active');
      await fail();
      try {
        // Past the time for which an answer of the database counts; the revocations still come by Redis.
        clock.advance(API_KEY_CACHE_MS + 5_000);
        await becomeFresh(node);
        const queries = [vi.spyOn(node.app.apiKeys, 'find'), vi.spyOn(node.app.sessions, 'findWithUser')];
        const verdicts = await Promise.all(
          Array.from({ length: CALLS }, () => [
            validate(held.tokens.accessToken),
            validateCookie(cookie),
          ]).flat(),
        );
        expect(tally(verdicts)).toEqual({ active: 2 * CALLS });
        for (const query of queries) expect(query.mock.calls.length).toBeLessThanOrEqual(MAX_QUERIES);
        expect(await outcomeOf(auth.refreshToken({ refreshToken: held.tokens.refreshToken }))).toBe(
          'STORAGE_UNAVAILABLE',
        );
      } finally {
        await proxy.heal();
      }
      await eventually(() => openSession(node));
      expect(await validate(held.tokens.accessToken)).toBe('active');
    },
  );

  it('refuses at once what another node revokes meanwhile', async () => {
    const cookie = await openCookie();
    const gone = await openSession(other);
    expect(await validate(gone.tokens.accessToken)).toBe('active');
    expect(await validateCookie(cookie)).toBe('active');
    proxy.stall();
    try {
      await other.auth().logout({}, bearer(gone.tokens.accessToken));
      await other.auth().revokeToken({ token: cookie.replace(/^[^=]+=/, '') });
      await eventually(async () => (await validate(gone.tokens.accessToken)) === 'inactive');
      expect(await validate(held.tokens.accessToken)).toBe('active');
    } finally {
      await proxy.heal();
    }
  });
});
