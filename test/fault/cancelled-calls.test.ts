// Calls that are cancelled or run out of time at any moment: what they change, they change whole or not at all.

import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { eventuallyPasses } from '../support/eventually.ts';
import type { TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, signUp } from '../support/service.ts';
import { describeOnEveryBackend, openSession, outcomeOf, tally, note } from './nodes.ts';

const CALLS = 60;

/** Every change with what must come with it; each query finds the halves. */
const HALVES = {
  'an account without its audit event': sql`
    select u.id from users u where u.email_key like 'cut-%'
      and not exists (select from audit_events a where a.kind = 'account.register' and a.target_id = u.id::text)`,
  'an account without its email': sql`
    select u.id from users u where u.email_key like 'cut-%'
      and not exists (select from outbox_mails m where m.recipient = u.email)`,
  'an audit event of an account that is not there': sql`
    select a.id from audit_events a where a.kind = 'account.register'
      and not exists (select from users u where u.id::text = a.target_id)`,
  'a login without its session': sql`
    select a.id from audit_events a where a.kind = 'session.login' and a.outcome = 'success'
      and not exists (select from sessions s where s.id::text = a.target_id)`,
  'a session without its login': sql`
    select s.id from sessions s where s.device_name = 'cut'
      and not exists (select from audit_events a where a.kind = 'session.login' and a.target_id = s.id::text)`,
  'a logout without its revocation': sql`
    select a.id from audit_events a where a.kind = 'session.logout'
      and not exists (select from revocations r where r.form = 'session' and r.target_id = a.target_id)`,
  'an ended session without its logout': sql`
    select s.id from sessions s where s.revoke_time is not null
      and not exists (select from audit_events a where a.kind = 'session.logout' and a.target_id = s.id::text)`,
};

describeOnEveryBackend('calls that are cut off', (openNodes) => {
  let node: TestService;
  let made = 0;

  beforeAll(async () => {
    [node] = await openNodes();
    await signUp(node, 'cut-person');
  });

  it.each([
    ['by a deadline of a millisecond', () => ({ timeoutMs: 1 })],
    [
      'by their callers, at random',
      () => ({ signal: AbortSignal.timeout(Math.ceil(Math.random() * 1_000)) }),
    ],
  ])('%s leave nothing half done', async (_name, cut) => {
    const auth = node.auth();
    const sessions = await Promise.all(Array.from({ length: CALLS }, () => openSession(node)));
    const calls = sessions.flatMap(({ tokens }) => {
      made += 1;
      const account = { email: `cut-${made}@example.com`, password: GOOD_PASSWORD, fullName: 'Test Person' };
      const person = { identifier: 'cut-person@example.com', password: GOOD_PASSWORD, deviceName: 'cut' };
      return [
        auth.register(account, cut()),
        auth.login(person, cut()),
        auth.logout({}, { ...bearer(tokens.accessToken), ...cut() }),
      ];
    });
    const outcomes = tally(await Promise.all(calls.map(outcomeOf)));
    note(outcomes);
    expect(Object.keys(outcomes)).not.toContain('INTERNAL');
    // What was cut off may still be on its way to its end: whole is what it is then.
    await eventuallyPasses(async () => {
      for (const [what, halves] of Object.entries(HALVES)) {
        const { rows } = await halves.execute(node.app.database.tables);
        expect({ what, rows }).toEqual({ what, rows: [] });
      }
    });
    expect(
      await outcomeOf(auth.login({ identifier: 'cut-person@example.com', password: GOOD_PASSWORD })),
    ).toBe('ok');
  });
});
