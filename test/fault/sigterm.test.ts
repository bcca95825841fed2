// SIGTERM under load: the process drains and exits 0, and whatever it acknowledged is there.

import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { beforeAll, expect, it } from 'vitest';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { endChild, serveChild, temporaryFolder } from '../support/child-service.ts';
import { eventually } from '../support/eventually.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { Held, Variables } from './nodes.ts';
import {
  afterSuite,
  nodeStarter,
  openSession,
  outcomeOf,
  sharedVariables,
  storedSession,
  tryRefresh,
  note,
} from './nodes.ts';

const ROUNDS = 3;
const CHAINS = 20;
const LOGOUTS = 200;

describeWithServices('SIGTERM under load', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let variables: Variables;
  let observer: TestService;

  beforeAll(async () => {
    variables = { ...(await sharedVariables(later)), ISSUER: 'http://latchkey.test' };
    observer = await startNode(variables);
  });

  async function round(folder: string): Promise<void> {
    const prefixed = Object.entries(variables).map(([name, value]) => [`LATCHKEY_${name}`, value] as const);
    const child = await serveChild(folder, Object.fromEntries(prefixed));
    later(() => endChild(child));
    const auth = createClient(AuthService, createGrpcTransport({ baseUrl: `http://${child.grpcAddress}` }));
    const chains = await Promise.all(Array.from({ length: CHAINS }, () => openSession(observer)));
    const leaving = await Promise.all(Array.from({ length: LOGOUTS }, () => openSession(observer)));
    let refreshed = 0;
    const loggedOut: Held[] = [];

    const refreshing = chains.map(async ({ tokens }) => {
      for (let newest = tokens.refreshToken; ; refreshed += 1) {
        const outcome = await tryRefresh(auth, newest);
        if (outcome.refreshToken === undefined) return { newest, reason: outcome.reason };
        newest = outcome.refreshToken;
      }
    });
    const loggingOut = (async () => {
      for (const held of leaving) {
        const outcome = await outcomeOf(auth.logout({}, bearer(held.tokens.accessToken)));
        if (outcome === 'ok') loggedOut.push(held);
      }
    })();
    await eventually(() => refreshed > CHAINS && loggedOut.length > 3);
    child.signal('SIGTERM');
    const ends = await Promise.all(refreshing);
    await loggingOut;

    expect(await child.exit).toBe(0);
    for (const { newest } of ends) {
      const content = observer.app.refreshTokenCodec.read(newest);
      if (content === undefined) throw new Error('no refresh token is held');
      const { generation } = await storedSession(observer, content.sessionId);
      expect([content.generation, content.generation + 1]).toContain(generation);
      expect((await tryRefresh(observer.auth(), newest)).reason).toBe('ok');
    }
    for (const { session } of loggedOut) {
      expect((await storedSession(observer, session.id)).revokeTime).toBeDefined();
    }
    note(`${refreshed} refreshes and ${loggedOut.length} logouts before the end`);
  }

  it(`${ROUNDS} times loses nothing that was acknowledged, and ends with 0`, async () => {
    const { path, remove } = await temporaryFolder();
    later(remove);
    for (let done = 0; done < ROUNDS; done += 1) await round(path);
  }, 120_000);
});
