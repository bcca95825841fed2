// Old, forged and expired refresh tokens: theft ends the session once and notifies its owner, everything else has no effect.

import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { REFRESH_TOKEN_PREFIX } from '../../src/domain/session/refresh-token.ts';
import { ageRotation } from '../support/age-rotation.ts';
import { eventuallyPasses } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DAY_MS } from '../support/samples.ts';
import type { TestService } from '../support/service.ts';
import { bearer } from '../support/service.ts';
import type { Auth, Held } from './nodes.ts';
import {
  becomeFresh,
  countEvents,
  describeOnEveryBackend,
  gatewayOf,
  openSession,
  outcomeOf,
  storedSession,
  tally,
  tryRefresh,
} from './nodes.ts';

const GRACE_MS = 10_000;

describeOnEveryBackend('a refresh token', (openNodes) => {
  const clock = new FakeClock(Date.now());
  let node: TestService;
  let other: TestService;
  let auth: Auth;
  let otherAuth: Auth;

  beforeAll(async () => {
    [node, other] = await openNodes({ clock });
    auth = node.auth();
    otherAuth = other.auth();
  });

  async function refreshed(refreshToken: string): Promise<string> {
    const outcome = await tryRefresh(auth, refreshToken);
    expect(outcome.reason).toBe('ok');
    return outcome.refreshToken ?? '';
  }

  async function expectDead(held: Held, newest: string): Promise<void> {
    const { accessToken } = held.tokens;
    expect(await tryRefresh(auth, newest)).toEqual({ reason: 'TOKEN_REVOKED' });
    await becomeFresh(node, other);
    expect(await outcomeOf(node.user().getMe({}, bearer(accessToken)))).toBe('TOKEN_REVOKED');
    await eventuallyPasses(async () => {
      const verdict = await otherAuth.validateToken({ token: accessToken }, gatewayOf(node));
      expect(verdict.active).toBe(false);
    });
  }

  async function theftMails(held: Held): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from outbox_mails
      where recipient = ${held.user.email} and letter ->> 'template' = 'session_theft'`.execute(
      node.app.database.tables,
    );
    return rows[0]?.count ?? 0;
  }

  it.each([
    ['two behind', 2, 0],
    ['one behind after the grace', 1, GRACE_MS + 1],
  ])('%s ends the session once, however often it is replayed', async (_name, behind, passed) => {
    const held = await openSession(node);
    let newest = held.tokens.refreshToken;
    for (let step = 0; step < behind; step += 1) newest = await refreshed(newest);
    await ageRotation(node.app.database, held.session.id, passed);

    const replays = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        tryRefresh(index % 2 === 0 ? auth : otherAuth, held.tokens.refreshToken),
      ),
    );
    // One that comes after the session has died learns that it is dead.
    const reasons = tally(replays.map(({ reason }) => reason));
    expect(reasons['REFRESH_TOKEN_REUSED']).toBeGreaterThan(0);
    expect((reasons['REFRESH_TOKEN_REUSED'] ?? 0) + (reasons['TOKEN_REVOKED'] ?? 0)).toBe(50);
    expect(await countEvents(node, 'session.refresh_reuse', held.session.id)).toBe(1);
    expect(await theftMails(held)).toBe(1);
    await expectDead(held, newest);
  });

  it('one behind within the grace is answered with the same successor, whatever the clock of the node says', async () => {
    const held = await openSession(node);
    const successor = await refreshed(held.tokens.refreshToken);
    for (const [aged, passed] of [
      [0, 0],
      [GRACE_MS / 2, 0],
      [0, 10 * GRACE_MS],
      [0, -10 * GRACE_MS],
    ] as const) {
      await ageRotation(node.app.database, held.session.id, aged);
      clock.advance(passed);
      expect(await refreshed(held.tokens.refreshToken)).toBe(successor);
    }
    expect((await storedSession(node, held.session.id)).generation).toBe(2);
  });

  it('with any bit flipped is TOKEN_INVALID and touches nothing', async () => {
    const held = await openSession(node);
    const bytes = Buffer.from(held.tokens.refreshToken.slice(REFRESH_TOKEN_PREFIX.length), 'base64url');
    const before = await storedSession(node, held.session.id);
    const forged = Array.from({ length: bytes.length * 8 }, (_, bit) => {
      const copy = Buffer.from(bytes);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return REFRESH_TOKEN_PREFIX + copy.toString('base64url');
    });
    const outcomes = await Promise.all(forged.map((token) => tryRefresh(auth, token)));
    expect(tally(outcomes.map(({ reason }) => reason))).toEqual({ TOKEN_INVALID: forged.length });
    expect(await storedSession(node, held.session.id)).toEqual(before);
    await refreshed(held.tokens.refreshToken);
  });

  it('of a generation that is yet to come is TOKEN_INVALID, though its MAC is right', async () => {
    const held = await openSession(node);
    const future = node.app.refreshTokenCodec.write({
      sessionId: held.session.id,
      generation: 3,
      salt: held.session.salt,
    });
    expect((await tryRefresh(auth, future)).reason).toBe('TOKEN_INVALID');
    await refreshed(held.tokens.refreshToken);
  });

  it('expires when it lies idle, and does not when it is used', async () => {
    const idle = await openSession(node);
    const used = await openSession(node);
    clock.advance(6 * DAY_MS);
    const newest = await refreshed(used.tokens.refreshToken);
    clock.advance(DAY_MS);
    expect((await tryRefresh(auth, idle.tokens.refreshToken)).reason).toBe('TOKEN_EXPIRED');
    clock.advance(5 * DAY_MS);
    await refreshed(newest);
  });

  it('expires after thirty days however often it is used', async () => {
    const held = await openSession(node);
    let newest = held.tokens.refreshToken;
    for (let day = 6; day < 30; day += 6) {
      clock.advance(6 * DAY_MS);
      newest = await refreshed(newest);
    }
    clock.advance(6 * DAY_MS - 1);
    newest = await refreshed(newest);
    clock.advance(1);
    expect((await tryRefresh(auth, newest)).reason).toBe('TOKEN_EXPIRED');
    expect(await countEvents(node, 'session.refresh_reuse', held.session.id)).toBe(0);
  });
});
