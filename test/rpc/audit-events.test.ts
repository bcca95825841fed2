// ListAuditEvents over every protocol: what it finds, how it pages, and what it refuses.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { AuditOutcome } from '../../gen/latchkey/v1/audit_event_pb.ts';
import { newId } from '../../src/crypto/ids.ts';
import type { AuditEvent } from '../../src/domain/audit/audit-event.ts';
import { bearer, PROTOCOLS, startTestService, type TestService } from '../support/service.ts';
import { firstAdministrator, member, type Member } from '../support/members.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { NOW, ORIGIN } from '../support/samples.ts';
import { signToken } from '../support/forged-tokens.ts';

let service: TestService;
let administrator: Member;
const account = newId();

beforeAll(async () => {
  service = await startTestService();
  administrator = await firstAdministrator(service);
  for (let index = 0; index < 120; index += 1) {
    const event: AuditEvent = {
      id: newId(),
      time: NOW + Math.floor(index / 3),
      kind: index % 10 === 0 ? 'role.upsert' : 'session.login',
      outcome: index % 4 === 0 ? 'refused' : 'success',
      ...(index % 4 === 0 ? { reason: 'INVALID_CREDENTIALS' } : {}),
      accountId: account,
      actorId: `actor-${index % 2}`,
      targetId: `target-${index}`,
      origin: { ...ORIGIN, requestId: `listed-${index}` },
      details: { index: String(index) },
    };
    await service.app.audit.append(event);
  }
});
afterAll(() => service.stop());

describe.each(PROTOCOLS)('over %s', (protocol) => {
  const list = (request: Parameters<ReturnType<TestService['admin']>['listAuditEvents']>[0]) =>
    service.admin(protocol).listAuditEvents(request, administrator.options);

  it('answers an event whole', async () => {
    const { events, nextPageToken } = await list({ filter: { requestId: 'listed-40' } });
    expect(nextPageToken).toBe('');
    expect(events).toMatchObject([
      {
        kind: 'role.upsert',
        outcome: AuditOutcome.REFUSED,
        reason: 'INVALID_CREDENTIALS',
        actorId: 'actor-0',
        targetId: 'target-40',
        accountId: account,
        ipAddress: ORIGIN.ipAddress,
        userAgent: ORIGIN.userAgent,
        requestId: 'listed-40',
        details: { index: '40' },
      },
    ]);
    expect(timestampDate(events[0]!.time!).getTime()).toBe(NOW + 13);
  });

  it('pages through what every field of the filter matches, newest first, each once', async () => {
    const filter = {
      startTime: timestampFromMs(NOW + 5),
      endTime: timestampFromMs(NOW + 35),
      kinds: ['session.*', 'mfa.enroll'],
      outcome: AuditOutcome.REFUSED,
      actorId: 'actor-0',
      accountId: account.toUpperCase(),
    };
    const found: string[] = [];
    let pageToken = '';
    do {
      const { events, nextPageToken } = await list({ filter, pageSize: 3, pageToken });
      found.push(...events.map(({ targetId }) => targetId));
      expect(events.length).toBe(nextPageToken === '' ? events.length : 3);
      pageToken = nextPageToken;
    } while (pageToken !== '');
    const expected = Array.from({ length: 120 }, (_, index) => index)
      .filter((index) => index % 4 === 0 && index % 10 !== 0 && index >= 15 && index < 105)
      .toReversed();
    expect(found).toEqual(expected.map((index) => `target-${index}`));
  });

  it('finds what was just done, and by whom', async () => {
    const somebody = await member(service, `somebody-${protocol}`);
    await refusalOf(service.admin(protocol).listRoles({}, somebody.options));
    await service.app.accessRefusals.idle();
    const { events } = await list({ filter: { actorId: somebody.id, kinds: ['access.refuse'] } });
    expect(events).toMatchObject([{ reason: 'INSUFFICIENT_SCOPE', outcome: AuditOutcome.REFUSED }]);
    const { events: logins } = await list({
      filter: { accountId: somebody.id, kinds: ['session.login'] },
    });
    expect(logins.length).toBeGreaterThan(0);
  });

  it('a page has 50 by default, and at most 1000', async () => {
    const filter = { accountId: account };
    expect((await list({ filter })).events).toHaveLength(50);
    expect((await list({ filter, pageSize: 1_000 })).events).toHaveLength(120);
    expect(await refusalOf(list({ filter, pageSize: 1_001 }))).toMatchObject({ fields: ['page_size'] });
    expect(await refusalOf(list({ filter, pageSize: -1 }))).toMatchObject({ fields: ['page_size'] });
  });

  it('takes a page token back for the same filter alone, in whatever order its kinds stand', async () => {
    const filter = { kinds: ['session.login', 'role.upsert'] };
    const { nextPageToken: pageToken } = await list({ filter, pageSize: 2 });
    const again = { filter: { kinds: ['role.upsert', 'session.login', 'role.upsert'] }, pageToken };
    expect((await list({ ...again, pageSize: 7 })).events).toHaveLength(7);
    for (const other of [
      {},
      { kinds: ['session.login'] },
      { ...filter, actorId: 'actor-1' },
      { ...filter, outcome: AuditOutcome.SUCCESS },
    ])
      expect(await refusalOf(list({ filter: other, pageToken }))).toMatchObject({
        reason: 'VALIDATION_FAILED',
        fields: ['page_token'],
      });
    for (const forged of ['x', `${pageToken}A`, pageToken.slice(0, -4), 'a'.repeat(10_000)])
      expect(await refusalOf(list({ filter, pageToken: forged }))).toMatchObject({ fields: ['page_token'] });
  });

  it.each([
    ['a kind that is none', { kinds: ['session.login', 'Session.login'] }, 'filter.kinds[1]'],
    ['a kind without a dot', { kinds: ['session'] }, 'filter.kinds[0]'],
    ['an empty kind', { kinds: [''] }, 'filter.kinds[0]'],
    ['a star in the wrong place', { kinds: ['*.login'] }, 'filter.kinds[0]'],
    ['a kind with a line behind it', { kinds: ['session.login\n'] }, 'filter.kinds[0]'],
    ['a kind of 10,000 characters', { kinds: [`${'a'.repeat(10_000)}.b`] }, 'filter.kinds[0]'],
    ['21 kinds', { kinds: Array.from({ length: 21 }, () => 'session.login') }, 'filter.kinds'],
    ['an outcome that nobody knows', { outcome: 99 as AuditOutcome }, 'filter.outcome'],
    ['an actor of 201 characters', { actorId: 'a'.repeat(201) }, 'filter.actor_id'],
    ['an actor of 10,000 characters', { actorId: 'a'.repeat(10_000) }, 'filter.actor_id'],
    ['a target with a control character', { targetId: 'a\u0000b' }, 'filter.target_id'],
    ['an account that is no UUID', { accountId: 'me' }, 'filter.account_id'],
    ['a request id of 101 characters', { requestId: 'a'.repeat(101) }, 'filter.request_id'],
    ['a request id with a line break', { requestId: 'a\nb' }, 'filter.request_id'],
    [
      'a start that is the end',
      { startTime: timestampFromMs(NOW), endTime: timestampFromMs(NOW) },
      'filter.end_time',
    ],
    ['a time that is none', { startTime: { seconds: 10n ** 15n, nanos: 0 } }, 'filter.start_time'],
    ['nanoseconds that are none', { endTime: { seconds: 1n, nanos: -1 } }, 'filter.end_time'],
  ])('refuses %s', async (_what, filter, field) => {
    const refusal = { code: 'InvalidArgument', reason: 'VALIDATION_FAILED', fields: [field] };
    expect(await refusalOf(list({ filter }))).toMatchObject(refusal);
    const watch = async () => {
      const watching = service.admin(protocol).watchAuditEvents({ filter }, administrator.options);
      for await (const _answer of watching) throw new Error('it was taken');
    };
    expect(await refusalOf(watch())).toMatchObject(refusal);
  });

  it('names everything that is wrong at once', async () => {
    const filter = { kinds: ['x'], outcome: 7 as AuditOutcome, actorId: 'a\u202Eb', accountId: '1' };
    const { fields } = await refusalOf(list({ filter, pageSize: -1 }));
    expect(fields.toSorted()).toEqual(
      ['filter.account_id', 'filter.actor_id', 'filter.kinds[0]', 'filter.outcome', 'page_size'].toSorted(),
    );
  });

  it('takes the first and the last time there is', async () => {
    const filter = {
      startTime: { seconds: -62_135_596_800n, nanos: 0 },
      endTime: { seconds: 253_402_300_799n, nanos: 999_999_999 },
      accountId: account,
    };
    expect((await list({ filter, pageSize: 1_000 })).events).toHaveLength(120);
  });
});

it('is for those alone who may read the log', async () => {
  const moderator = await member(service, 'moderator', 'moderator');
  expect((await service.admin().listAuditEvents({ pageSize: 1 }, moderator.options)).events).toHaveLength(1);
  const narrow = bearer(await signToken(service.app, { scope: 'users:read' }));
  expect(await refusalOf(service.admin().listAuditEvents({}, narrow))).toMatchObject({
    reason: 'INSUFFICIENT_SCOPE',
  });
});
