// The contract of AuditSearcher, on every database: every filter finds what a naive one finds, in either order, whole, once, over any pages.

import * as fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import type { AuditEvent, AuditKind } from '../../src/domain/audit/audit-event.ts';
import type { AuditFilter } from '../../src/domain/audit/audit-filter.ts';
import { EVERY_EVENT, matches } from '../../src/domain/audit/audit-filter.ts';
import type { AuditSearch } from '../../src/domain/audit/list-audit-events.ts';
import {
  listAuditEvents,
  LOOKS_PER_STEP,
  PAGE_MS,
  positionOf,
  STEPS_PER_PAGE,
} from '../../src/domain/audit/list-audit-events.ts';
import type { StoredAuditEvent } from '../../src/domain/audit/stored-event.ts';
import type { PagePosition } from '../../src/domain/paging.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DAY_MS, NOW, ORIGIN } from '../support/samples.ts';

const EVENTS = 700;
const KINDS: readonly AuditKind[] = [
  'session.login',
  'session.logout',
  'session.refresh_reuse',
  'role.upsert',
  'account.create',
  'mfa.enable',
];
const ACTORS = ['actor-1', 'actor-2', "o'brien", 'ä\u0300\u{1F600}'];
const ACCOUNTS = Array.from({ length: 3 }, () => newId());
// Over several months, and before any month that there is.
const TIMES = [0, 1, 2, 40 * DAY_MS, 80 * DAY_MS, -20 * 365 * DAY_MS].map((offset) => NOW + offset);

function eventOf(index: number): AuditEvent {
  const pick = <Value>(values: readonly Value[], stride: number) =>
    values[Math.floor(index / stride) % values.length]!;
  const optional = <Value>(values: readonly Value[], stride: number) =>
    Math.floor(index / stride) % 5 === 0 ? undefined : pick(values, stride);
  const [accountId, actorId, targetId] = [
    optional(ACCOUNTS, 2),
    optional(ACTORS, 3),
    optional(['target-1', 'target-2'], 7),
  ];
  return {
    id: newId(),
    time: pick(TIMES, 1),
    // The first kind is half of all.
    kind: index % 2 === 0 ? KINDS[0]! : pick(KINDS, 5),
    outcome: index % 4 === 0 ? 'refused' : 'success',
    ...(index % 4 === 0 ? { reason: 'INVALID_CREDENTIALS' } : {}),
    ...(accountId === undefined ? {} : { accountId }),
    ...(actorId === undefined ? {} : { actorId }),
    ...(targetId === undefined ? {} : { targetId }),
    ...(index % 3 === 0 ? { details: { scopes: 'a b' } } : {}),
    origin: { ...ORIGIN, requestId: `request-${index % 50}` },
  };
}

function stored(event: AuditEvent): StoredAuditEvent {
  return {
    reason: undefined,
    actorId: undefined,
    targetId: undefined,
    accountId: undefined,
    details: undefined,
    ...event,
  };
}

const oneOf = <Value>(...values: readonly Value[]) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  );
const anyFilter: fc.Arbitrary<AuditFilter> = fc.record({
  startTime: oneOf(...TIMES, NOW + 1),
  endTime: oneOf(...TIMES, NOW + 1, NOW + 1_000 * DAY_MS),
  kinds: fc.array(
    fc.constantFrom(...KINDS, 'session.*', 'account.*', 'nothing.*', 'nothing.at_all', 'mfa.*'),
    {
      maxLength: 4,
    },
  ),
  outcome: oneOf('success' as const, 'refused' as const),
  actorId: oneOf(...ACTORS, 'nobody'),
  targetId: oneOf('target-1', 'target-2', 'nothing'),
  accountId: oneOf(...ACCOUNTS, newId()),
  requestId: oneOf('request-1', 'request-2', 'nothing'),
});

describeOnEveryDatabase('AuditSearcher', (open) => {
  let db: TestStores;
  let newestFirst: readonly StoredAuditEvent[];
  beforeAll(async () => {
    db = await open();
    const events = Array.from({ length: EVENTS }, (_, index) => eventOf(index));
    await db.transact(async ({ audit }) => {
      for (const event of events) await audit.append(event);
    });
    newestFirst = events.map(stored).toSorted((a, b) => b.time - a.time || (a.id < b.id ? 1 : -1));
  });

  // Time stands still: pages are as long as they can be.
  const deps = () => ({ ...db.stores, clock: new FakeClock() });

  /** Looks until there is nothing behind; how many events each look gave, and all of them. */
  async function walk(search: Omit<AuditSearch, 'behind'>) {
    const found: StoredAuditEvent[] = [];
    let behind: PagePosition | undefined;
    let looks = 0;
    do {
      const finding = await db.stores.auditSearcher.search({ ...search, behind });
      expect(finding.events.length).toBeLessThanOrEqual(search.limit);
      found.push(...finding.events);
      // What does not fit is found again behind the last that did.
      const isFull = finding.events.length === search.limit;
      const last = finding.events.at(-1);
      behind = isFull && last !== undefined ? positionOf(last) : finding.reached;
      looks += 1;
      expect(looks).toBeLessThanOrEqual(EVENTS + 2);
    } while (behind !== undefined);
    return found;
  }

  it('finds by any filter what a naive one finds, in either order, however few events a look may meet', async () => {
    let matching = 0;
    await fc.assert(
      fc.asyncProperty(
        anyFilter,
        fc.boolean(),
        fc.integer({ min: 10, max: 200 }),
        fc.integer({ min: 0, max: 200 }),
        async (filter, isNewestFirst, limit, moreLooks) => {
          const inOrder = isNewestFirst ? newestFirst : newestFirst.toReversed();
          const order = isNewestFirst ? 'newest_first' : 'oldest_first';
          const found = await walk({ filter, order, limit, looks: limit + moreLooks });
          expect(found).toEqual(inOrder.filter((event) => matches(filter, event)));
          matching += found.length > 0 && found.length < EVENTS ? 1 : 0;
        },
      ),
      { numRuns: 80 },
    );
    // A test of filters that match nothing would say nothing.
    expect(matching).toBeGreaterThan(20);
  });

  it('lists them page by page, each once, and knows the last page', async () => {
    await fc.assert(
      fc.asyncProperty(anyFilter, fc.integer({ min: 1, max: 300 }), async (filter, pageSize) => {
        const expected = newestFirst.filter((event) => matches(filter, event));
        const found: StoredAuditEvent[] = [];
        let before: PagePosition | undefined;
        let pages = 0;
        do {
          const { events, next } = await listAuditEvents(deps(), { filter, pageSize, before });
          found.push(...events);
          before = next;
          pages += 1;
        } while (before !== undefined);
        expect(found).toEqual(expected);
        // Fewer than one step looks at: no page is short but the last.
        expect(pages).toBe(Math.max(1, Math.ceil(expected.length / pageSize)));
      }),
      { numRuns: 25 },
    );
  });

  it('is not led astray by what is in a value', async () => {
    for (const value of ["'; drop table audit_events; --", '%', '_', '\\', 'actor-1%']) {
      const filter = { ...EVERY_EVENT, actorId: value, targetId: value, requestId: value };
      const { events } = await listAuditEvents(deps(), { filter, pageSize: 10, before: undefined });
      expect(events).toEqual([]);
    }
    // No concept but `session` is of `session.*`, and no kind is a pattern.
    const kinds = ['sess.*', 'session_.*'];
    const filter = { ...EVERY_EVENT, kinds };
    expect((await listAuditEvents(deps(), { filter, pageSize: 10, before: undefined })).events).toEqual([]);
  });

  it('new events do not disturb paging', async () => {
    const filter = { ...EVERY_EVENT, actorId: 'actor-1' };
    const expected = newestFirst.filter((event) => matches(filter, event));
    const first = await listAuditEvents(deps(), { filter, pageSize: 10, before: undefined });
    const late = stored({ ...eventOf(1), actorId: 'actor-1', time: NOW + 100 * DAY_MS });
    await db.transact(({ audit }) => audit.append(late as AuditEvent));
    const second = await listAuditEvents(deps(), { filter, pageSize: 1_000, before: first.next });
    expect([...first.events, ...second.events]).toEqual(expected);
    newestFirst = [late, ...newestFirst];
  });
});

it('a page is short rather than slow: after so many looks, or so long, it says where to go on', async () => {
  const asked: AuditSearch[] = [];
  const reached = { createTime: NOW, id: newId() };
  const clock = new FakeClock();
  let stepMs = 0;
  const auditSearcher = {
    search: async (search: AuditSearch) => {
      asked.push(search);
      clock.advance(stepMs);
      return { events: [], reached };
    },
  };
  const page = () =>
    listAuditEvents({ auditSearcher, clock }, { filter: EVERY_EVENT, pageSize: 50, before: undefined });
  expect(await page()).toEqual({ events: [], next: reached });
  expect(asked).toHaveLength(STEPS_PER_PAGE);
  expect(asked.every(({ looks }) => looks === LOOKS_PER_STEP)).toBe(true);
  expect(asked[1]?.behind).toEqual(reached);
  asked.length = 0;
  stepMs = PAGE_MS / 2;
  expect(await page()).toEqual({ events: [], next: reached });
  expect(asked).toHaveLength(2);
});
