// Holds the log of refusals at the gate: once a minute for the same caller, call and reason, in bounded memory, and never in the way.

import { expect, it } from 'vitest';
import type { Principal } from '../../src/domain/access/principal.ts';
import {
  AccessRefusals,
  MAX_NOTED,
  MAX_UNDER_WAY,
  QUIET_MS,
} from '../../src/domain/audit/access-refusals.ts';
import type { AuditEvent } from '../../src/domain/audit/audit-event.ts';
import { DomainError } from '../../src/domain/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ORIGIN } from '../support/samples.ts';

const LACKING = new DomainError('INSUFFICIENT_SCOPE', 'no', { metadata: { missing_scopes: 'users:read' } });

function principal(change: Partial<Principal> = {}): Principal {
  return {
    subjectId: 'user-1',
    kind: 'user',
    role: 'user',
    scopes: [],
    sessionId: 'session-1',
    credential: 'access_token',
    credentialId: 'token-1',
    authTime: undefined,
    amr: [],
    version: 1,
    expiresAt: undefined,
    isNetworkBound: false,
    ...change,
  };
}

function world(append: (event: AuditEvent) => Promise<void> = async () => undefined) {
  const clock = new FakeClock();
  const events: AuditEvent[] = [];
  const failures: unknown[] = [];
  let made = 0;
  const refusals = new AccessRefusals({
    audit: {
      append: async (event) => {
        events.push(event);
        await append(event);
      },
    },
    clock,
    newId: () => `event-${(made += 1)}`,
    onFailure: (error) => failures.push(error),
  });
  const note = (error: unknown, change: Partial<Principal> = {}, call = 'Service/Method') =>
    refusals.note(error, { principal: principal(change), call, origin: () => ORIGIN });
  return { clock, events, failures, refusals, note };
}

it('records who was refused what, by which credential, and what it lacked', async () => {
  const { clock, events, note, refusals } = world();
  note(LACKING);
  note(LACKING, { kind: 'service', subjectId: 'service-1', credential: 'api_key', credentialId: 'key-1' });
  await refusals.idle();
  const common = { time: clock.now(), kind: 'access.refuse', outcome: 'refused', origin: ORIGIN };
  expect(events).toEqual([
    {
      ...common,
      id: 'event-1',
      reason: 'INSUFFICIENT_SCOPE',
      actorId: 'user-1',
      accountId: 'user-1',
      details: {
        rpc: 'Service/Method',
        credential: 'access_token',
        credential_id: 'token-1',
        missing_scopes: 'users:read',
      },
    },
    {
      ...common,
      id: 'event-2',
      reason: 'INSUFFICIENT_SCOPE',
      actorId: 'service-1',
      details: {
        rpc: 'Service/Method',
        credential: 'api_key',
        credential_id: 'key-1',
        missing_scopes: 'users:read',
      },
    },
  ]);
});

it('records no other refusal and no fault', async () => {
  const { events, note, refusals } = world();
  for (const error of [
    new DomainError('RATE_LIMITED', 'no'),
    new DomainError('TOKEN_REVOKED', 'no'),
    new Error('INSUFFICIENT_SCOPE'),
    undefined,
  ])
    note(error);
  await refusals.idle();
  expect(events).toEqual([]);
});

it('is quiet for a minute about the same caller, call and reason, and about nothing else', async () => {
  const { clock, events, note, refusals } = world();
  const stale = new DomainError('STEP_UP_REQUIRED', 'no');
  for (let times = 0; times < 100; times += 1) note(LACKING);
  note(stale);
  note(LACKING, { subjectId: 'user-2' });
  note(LACKING, {}, 'Service/Other');
  expect(events).toHaveLength(4);
  clock.advance(QUIET_MS - 1);
  note(LACKING);
  expect(events).toHaveLength(4);
  clock.advance(1);
  note(LACKING);
  expect(events).toHaveLength(5);
  clock.advance(-10 * QUIET_MS);
  note(LACKING);
  expect(events).toHaveLength(6);
  await refusals.idle();
});

it('tries again at the next refusal when one could not be written, and says so', async () => {
  let isAway = true;
  const { events, failures, note, refusals } = world(async () => {
    if (isAway) throw new Error('away');
  });
  note(LACKING);
  await refusals.idle();
  expect(failures).toHaveLength(1);
  isAway = false;
  note(LACKING);
  note(LACKING);
  await refusals.idle();
  expect(events).toHaveLength(2);
  expect(failures).toHaveLength(1);
});

it('has a bounded number under way, and idle waits for them', async () => {
  const mayWrite = Promise.withResolvers<void>();
  const { events, failures, note, refusals } = world(() => mayWrite.promise);
  for (let index = 0; index < MAX_UNDER_WAY + 10; index += 1) note(LACKING, { subjectId: `user-${index}` });
  expect(events).toHaveLength(MAX_UNDER_WAY);
  expect(failures).toHaveLength(10);
  let isIdle = false;
  const idle = refusals.idle().then(() => (isIdle = true));
  await Promise.resolve();
  expect(isIdle).toBe(false);
  mayWrite.resolve();
  await idle;
  // What was left out is written down the next time.
  note(LACKING, { subjectId: `user-${MAX_UNDER_WAY}` });
  await refusals.idle();
  expect(events).toHaveLength(MAX_UNDER_WAY + 1);
});

it('evicts the oldest first when there are too many', async () => {
  const { events, note, refusals } = world();
  for (let index = 0; index <= MAX_NOTED; index += 1) {
    note(LACKING, { subjectId: `user-${index}` });
    if (index % MAX_UNDER_WAY === 0) await refusals.idle();
  }
  await refusals.idle();
  const { length } = events;
  note(LACKING, { subjectId: `user-${MAX_NOTED}` });
  note(LACKING, { subjectId: 'user-1' });
  expect(events).toHaveLength(length);
  note(LACKING, { subjectId: 'user-0' });
  expect(events).toHaveLength(length + 1);
  await refusals.idle();
});
