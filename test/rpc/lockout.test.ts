// Lockout as callers meet it: whatever the spelling, whatever the protocol, however many at once.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FakeClock } from '../support/fake-clock.ts';
import type { Refusal } from '../support/rpc-calls.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import type { Protocol, TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, PROTOCOLS, signIn, signUp, startTestService } from '../support/service.ts';

const WRONG = 'Wrong-Horse-42-Staple!';
const LOCK_S = 15 * 60;

describe('an account', () => {
  const clock = new FakeClock(Date.now());
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({ clock });
  });
  afterAll(() => service.stop());

  const attempt = (identifier: string, password: string, protocol: Protocol = 'grpc') =>
    service.auth(protocol).login({ identifier, password });
  const refused = (identifier: string, password: string, protocol?: Protocol): Promise<Refusal> =>
    refusalOf(attempt(identifier, password, protocol));
  const lock = async (identifier: string) => {
    for (let failure = 0; failure < 5; failure += 1)
      expect((await refused(identifier, WRONG)).reason).toBe('INVALID_CREDENTIALS');
  };
  const eventsOf = (accountId: string) =>
    service.app.database.tables
      .selectFrom('audit_events')
      .select(['kind', 'outcome', 'reason'])
      .where('account_id', '=', accountId)
      .orderBy('id')
      .execute();
  const idOf = async (identifier: string) => (await service.app.users.findByIdentifier(identifier))?.id ?? '';
  const emailsTo = (address: string) =>
    service.app.database.tables
      .selectFrom('outbox_mails')
      .select('letter')
      .where('recipient', '=', address)
      .execute();

  it.each(PROTOCOLS)('refuses the right password after five wrong ones, over %s', async (protocol) => {
    const name = `five-${protocol}`;
    await signUp(service, name);
    const byName = [name, name.toUpperCase(), name, name.toUpperCase(), name];
    for (const spelling of byName)
      expect((await refused(spelling, WRONG, protocol)).reason).toBe('INVALID_CREDENTIALS');
    for (const spelling of byName) {
      const refusal = await refused(spelling, GOOD_PASSWORD, protocol);
      expect(refusal).toMatchObject({ code: 'ResourceExhausted', reason: 'ACCOUNT_LOCKED' });
      expect(refusal.retryAfterSeconds).toBe(LOCK_S);
    }
  });

  it('does not reveal by a lock which address and which user name belong together', async () => {
    await signUp(service, 'paired');
    await lock('paired@example.com');
    expect((await refused('paired@EXAMPLE.com', GOOD_PASSWORD)).reason).toBe('ACCOUNT_LOCKED');
    const { metadata: _one, ...byOwnName } = await refused('paired', WRONG);
    const { metadata: _other, ...byAnyName } = await refused('unpaired', WRONG);
    expect(byOwnName).toEqual(byAnyName);
    expect(byOwnName.reason).toBe('INVALID_CREDENTIALS');
    expect((await attempt('paired', GOOD_PASSWORD)).outcome.case).toBe('tokens');
    // And it stays for those who locked it.
    expect((await refused('paired@example.com', GOOD_PASSWORD)).reason).toBe('ACCOUNT_LOCKED');
  });

  it('bounds guesses over all identifiers: after twenty in a row the right password is rejected', async () => {
    const { accessToken } = await signUp(service, 'renamed-0');
    const guessBy = async (identifier: string) => {
      for (let guess = 0; guess < 5; guess += 1)
        expect((await refused(identifier, WRONG)).reason).toBe('INVALID_CREDENTIALS');
    };
    for (let name = 1; name <= 4; name += 1) {
      const user = { username: `renamed-${name}` };
      await service.user().updateMe({ user, updateMask: { paths: ['username'] } }, bearer(accessToken));
      await guessBy(user.username);
    }
    const user = { username: 'renamed-5' };
    await service.user().updateMe({ user, updateMask: { paths: ['username'] } }, bearer(accessToken));
    for (let failure = 0; failure < 5; failure += 1)
      expect((await refused('renamed-5', GOOD_PASSWORD)).reason).toBe('INVALID_CREDENTIALS');
    // As wrong ones would have.
    expect((await refused('renamed-5', GOOD_PASSWORD)).reason).toBe('ACCOUNT_LOCKED');
    expect((await refused('renamed-0@example.com', GOOD_PASSWORD)).reason).toBe('INVALID_CREDENTIALS');
    clock.advance(LOCK_S * 1_000);
    expect((await attempt('renamed-0@example.com', GOOD_PASSWORD)).outcome.case).toBe('tokens');
  });

  it('is open again after a quarter of an hour, and not a moment before', async () => {
    await signUp(service, 'patient');
    await lock('patient');
    clock.advance(LOCK_S * 1_000 - 1);
    expect((await refused('patient', GOOD_PASSWORD)).reason).toBe('ACCOUNT_LOCKED');
    clock.advance(1);
    expect((await attempt('patient', GOOD_PASSWORD)).outcome.case).toBe('tokens');
  });

  it('begins to count anew after a success', async () => {
    await signUp(service, 'forgetful');
    for (let round = 0; round < 3; round += 1) {
      for (let failure = 0; failure < 4; failure += 1) await refused('forgetful', WRONG);
      expect((await attempt('forgetful', GOOD_PASSWORD)).outcome.case).toBe('tokens');
    }
  });

  it('locks alike when it does not exist: same codes, same texts, same details', async () => {
    await signUp(service, 'real-one');
    const answers = async (identifier: string) => {
      const refusals: unknown[] = [];
      for (let failure = 0; failure < 7; failure += 1) {
        const { metadata, ...refusal } = await refused(identifier, WRONG);
        refusals.push({ ...refusal, metadata: Object.keys(metadata) });
      }
      return refusals;
    };
    const known = await answers('real-one@example.com');
    expect(await answers('nobody@example.com')).toEqual(known);
    expect(await answers('nobody')).toEqual(known);
  });

  it('allows no more concurrent guesses than sequential ones', async () => {
    await signUp(service, 'stormed');
    const guesses = Array.from({ length: 50 }, () => refused('stormed', WRONG));
    const reasons = (await Promise.all(guesses)).map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason === 'INVALID_CREDENTIALS')).toHaveLength(5);
    expect(reasons.filter((reason) => reason === 'ACCOUNT_LOCKED')).toHaveLength(45);
    expect((await refused('stormed', GOOD_PASSWORD)).reason).toBe('ACCOUNT_LOCKED');
  });

  it('logs in fifty times at once when nothing was wrong', async () => {
    await signUp(service, 'busy');
    const logins = await Promise.all(Array.from({ length: 50 }, () => signIn(service, 'busy')));
    expect(new Set(logins.map(({ sessionId }) => sessionId)).size).toBe(50);
  });

  it('notifies its owner, once, and audits every refusal', async () => {
    await signUp(service, 'informed');
    await lock('informed');
    await refused('informed', GOOD_PASSWORD);
    const events = await eventsOf(await idOf('informed'));
    const wrong = { kind: 'session.login', outcome: 'refused', reason: 'INVALID_CREDENTIALS' };
    const since = events.findIndex(({ reason }) => reason === 'INVALID_CREDENTIALS');
    expect(events.slice(since)).toEqual([
      wrong,
      wrong,
      wrong,
      wrong,
      { kind: 'account.locked', outcome: 'success', reason: null },
      wrong,
      { kind: 'session.login', outcome: 'refused', reason: 'ACCOUNT_LOCKED' },
    ]);
    const emails = (await emailsTo('informed@example.com')).map(({ letter }) => letter['template']);
    expect(emails.filter((template) => template === 'account_locked')).toHaveLength(1);
  });

  it('keeps its sessions while it is locked', async () => {
    const tokens = await signUp(service, 'working');
    await lock('working');
    const { user } = await service.user().getMe({}, bearer(tokens.accessToken));
    expect(user?.username).toBe('working');
    const refreshed = await service.auth().refreshToken({ refreshToken: tokens.refreshToken });
    expect(refreshed.tokens?.sessionId).toBe(tokens.sessionId);
  });
});
