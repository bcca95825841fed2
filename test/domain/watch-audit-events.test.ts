// Holds the watch of the audit log: every event that matches, once and in order, at any reader's pace, by one reader of the database.

import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AuditFilter } from '../../src/domain/audit/audit-filter.ts';
import { EVERY_EVENT, matches } from '../../src/domain/audit/audit-filter.ts';
import { AuditTail, TAIL_INTERVAL_MS, TAIL_PAGE } from '../../src/domain/audit/audit-tail.ts';
import type { SealedEvent } from '../../src/domain/audit/audit-trail.ts';
import { MAX_RECENT, RecentEvents } from '../../src/domain/audit/recent-events.ts';
import type { AuditUpdate } from '../../src/domain/audit/watch-audit-events.ts';
import { AUDIT_HEARTBEAT_MS, watchAuditEvents } from '../../src/domain/audit/watch-audit-events.ts';
import { NOW, ORIGIN } from '../support/samples.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  const left = vi.getTimerCount();
  vi.useRealTimers();
  if (left > 0) throw new Error(`${left} timers are left behind`);
});

type Watch = AsyncGenerator<AuditUpdate, void, undefined>;

const ROLES: AuditFilter = { ...EVERY_EVENT, kinds: ['role.*'] };

/** A trail of events, every third of which is of a role. */
function world() {
  const trail: SealedEvent[] = [];
  let retired = 0;
  let fault: Error | undefined;
  const reads: number[] = [];
  const seal = (count: number) => {
    for (let made = 0; made < count; made += 1) {
      const number = trail.length + 1;
      trail.push({
        number,
        event: {
          id: `event-${number}`,
          time: NOW + number,
          kind: number % 3 === 0 ? 'role.upsert' : 'session.login',
          outcome: 'success',
          reason: undefined,
          actorId: undefined,
          targetId: undefined,
          accountId: undefined,
          origin: ORIGIN,
          details: undefined,
        },
      });
    }
  };
  const auditTrail = {
    head: async () => {
      if (fault !== undefined) throw fault;
      return trail.length;
    },
    read: async (after: number, limit: number) => {
      reads.push(after);
      if (fault !== undefined) throw fault;
      const from = Math.max(after, retired);
      return trail.slice(from, from + limit);
    },
  };
  const auditTail = new AuditTail({ auditTrail });
  const gone = new AbortController();
  const start = (after?: number, filter = EVERY_EVENT): Watch =>
    watchAuditEvents({ auditTail }, { after, filter, signal: gone.signal });
  return {
    trail,
    reads,
    seal,
    auditTail,
    gone,
    start,
    retire: (upTo: number) => (retired = upTo),
    fail: (error: Error | undefined) => (fault = error),
  };
}

async function next(watching: Watch): Promise<AuditUpdate> {
  const step = await watching.next();
  if (step.done === true) throw new Error('the watch is over');
  return step.value;
}

/** What comes within so long. */
async function within<Value>(ms: number, work: Promise<Value>): Promise<Value> {
  await vi.advanceTimersByTimeAsync(ms);
  return work;
}

const numbers = ({ events }: AuditUpdate) => events.map(({ id }) => Number(id.slice('event-'.length)));

describe('a watch of the audit log', () => {
  it('begins at the head as of the call, says so at once, and streams what is sealed behind it', async () => {
    const { seal, start, auditTail } = world();
    seal(5);
    const watching = start();
    expect(await next(watching)).toEqual({ events: [], after: 5 });
    seal(2);
    const update = await within(TAIL_INTERVAL_MS, watching.next());
    expect(update.value).toMatchObject({ after: 7, events: [{ id: 'event-6' }, { id: 'event-7' }] });
    await watching.return();
    expect(auditTail.size).toBe(0);
  });

  it('resumes behind a number, in pages, from the oldest there is when retention has taken the rest', async () => {
    const { seal, start, retire } = world();
    seal(2 * TAIL_PAGE + 10);
    retire(4);
    const watching = start(2);
    expect(await next(watching)).toEqual({ events: [], after: 2 });
    const seen: number[] = [];
    for (let page = 0; page < 3; page += 1) seen.push(...numbers(await next(watching)));
    expect(seen).toEqual(Array.from({ length: 2 * TAIL_PAGE + 6 }, (_, index) => index + 5));
    await watching.return();
  });

  it('does not loop when retention deleted all known events', async () => {
    const { reads, seal, start, retire } = world();
    const follower = start();
    await next(follower);
    seal(MAX_RECENT + 10);
    await vi.advanceTimersByTimeAsync(TAIL_INTERVAL_MS);
    const late = start(1);
    await next(late);
    retire(MAX_RECENT + 10);
    const update = late.next();
    await vi.advanceTimersByTimeAsync(AUDIT_HEARTBEAT_MS);
    expect((await update).value).toEqual({ events: [], after: MAX_RECENT + 10 });
    expect(reads.filter((after) => after === 1)).toHaveLength(1);
    await Promise.all([late.return(), follower.return()]);
  });

  it('refuses a number that has not been given yet', async () => {
    const { seal, start, auditTail } = world();
    seal(3);
    await expect(start(4).next()).rejects.toMatchObject({
      reason: 'VALIDATION_FAILED',
      violations: [{ field: 'cursor' }],
    });
    expect(auditTail.size).toBe(0);
    const watching = start(3);
    expect(await next(watching)).toEqual({ events: [], after: 3 });
    await watching.return();
  });

  it('passes over what does not match, and its cursor with it', async () => {
    const { seal, start } = world();
    const watching = start(undefined, ROLES);
    await next(watching);
    seal(4);
    const update = await within(TAIL_INTERVAL_MS, next(watching));
    expect([numbers(update), update.after]).toEqual([[3], 4]);
    await watching.return();
  });

  it('says where it has come to when nothing matches for long, also when nothing happens', async () => {
    const { seal, start } = world();
    const watching = start(undefined, { ...EVERY_EVENT, kinds: ['mfa.*'] });
    await next(watching);
    seal(4);
    expect(await within(AUDIT_HEARTBEAT_MS, next(watching))).toEqual({ events: [], after: 4 });
    expect(await within(AUDIT_HEARTBEAT_MS, next(watching))).toEqual({ events: [], after: 4 });
    await watching.return();
  });

  it('ends when it is aborted while it waits', async () => {
    const { start, gone, auditTail } = world();
    const watching = start();
    await next(watching);
    const last = watching.next();
    await vi.advanceTimersByTimeAsync(TAIL_INTERVAL_MS);
    gone.abort();
    expect(await last).toEqual({ value: undefined, done: true });
    expect(auditTail.size).toBe(0);
  });

  it('ends when the database does not answer, and can be resumed', async () => {
    const { start, fail, seal } = world();
    const watching = start();
    const { after } = await next(watching);
    const failed = watching.next().catch((error: unknown) => error);
    fail(new Error('away'));
    await vi.advanceTimersByTimeAsync(TAIL_INTERVAL_MS);
    expect(await failed).toEqual(new Error('away'));
    await expect(start(after).next()).rejects.toThrow('away');
    fail(undefined);
    seal(1);
    const again = start(after);
    await next(again);
    expect(numbers(await next(again))).toEqual([1]);
    await again.return();
  });
});

describe('the tail', () => {
  it('reads the database once for all who keep up, and not at all without watchers', async () => {
    const { reads, seal, start } = world();
    await vi.advanceTimersByTimeAsync(10 * TAIL_INTERVAL_MS);
    expect(reads).toEqual([]);
    const watches = Array.from({ length: 50 }, () => start());
    await Promise.all(watches.map(next));
    seal(3);
    const update = await within(TAIL_INTERVAL_MS, Promise.all(watches.map(next)));
    expect(update.map(numbers)).toEqual(watches.map(() => [1, 2, 3]));
    expect(reads).toEqual([0]);
    await Promise.all(watches.map((watching) => watching.return()));
    await vi.advanceTimersByTimeAsync(10 * TAIL_INTERVAL_MS);
    expect(reads).toEqual([0]);
  });

  it('begins again at the head for a watcher that comes after all have left', async () => {
    const { reads, seal, start } = world();
    const first = start();
    await next(first);
    await first.return();
    seal(10 * MAX_RECENT);
    const second = start();
    await next(second);
    seal(1);
    expect(numbers(await within(TAIL_INTERVAL_MS, next(second)))).toEqual([10 * MAX_RECENT + 1]);
    expect(reads).toEqual([10 * MAX_RECENT]);
    await second.return();
  });

  it('keeps a bounded number of events, and who reads slowly reads the database', async () => {
    const { reads, seal, start } = world();
    const [slow, quick] = [start(), start()];
    await Promise.all([next(slow), next(quick)]);
    const total = 3 * MAX_RECENT;
    const seen: number[] = [];
    for (let sealed = 0; sealed < total; sealed += TAIL_PAGE) {
      seal(TAIL_PAGE);
      seen.push(...numbers(await within(TAIL_INTERVAL_MS, next(quick))));
    }
    expect(seen).toHaveLength(total);
    const byPoller = reads.length;
    const late: number[] = [];
    while (late.length < total) late.push(...numbers(await next(slow)));
    expect(late).toEqual(seen);
    expect(reads.length - byPoller).toBe((total - MAX_RECENT) / TAIL_PAGE);
    await Promise.all([slow.return(), quick.return()]);
  });

  it('recent events are all those behind a number, or not known to be', () => {
    fc.assert(
      fc.property(
        fc.nat(100),
        fc.array(fc.nat(MAX_RECENT), { maxLength: 8 }),
        fc.nat(3 * MAX_RECENT),
        fc.integer({ min: 1, max: 50 }),
        (head, batches, after, limit) => {
          const { trail, seal } = world();
          seal(head);
          const recent = new RecentEvents(head);
          for (const size of batches) {
            seal(size);
            recent.push(trail.slice(trail.length - size));
          }
          expect(recent.newest).toBe(trail.length);
          const found = recent.read(after, limit);
          const oldest = Math.max(head, trail.length - MAX_RECENT);
          if (after < oldest) expect(found).toBeUndefined();
          else expect(found).toEqual(trail.slice(after, after + limit));
        },
      ),
    );
  });

  it('streams each event once and in order to all, however they come, go and lag', async () => {
    const act = fc.oneof(
      fc.record({ act: fc.constant('seal' as const), count: fc.integer({ min: 1, max: 900 }) }),
      fc.record({ act: fc.constantFrom('read', 'cut'), who: fc.nat(2) }),
      fc.record({ act: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2_000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 40 }), async (steps) => {
        const { trail, seal, start } = world();
        const filters = [EVERY_EVENT, ROLES, { ...EVERY_EVENT, kinds: ['nothing.*'] }];
        const readers = filters.map((filter) => ({
          filter,
          seen: [] as string[],
          after: 0,
          watching: start(0, filter),
          asked: undefined as Promise<void> | undefined,
        }));
        // Asks for one answer, and notes it when it comes.
        const ask = (reader: (typeof readers)[number]) => {
          const { watching } = reader;
          reader.asked ??= watching.next().then(({ value }) => {
            reader.asked = undefined;
            if (value === undefined || reader.watching !== watching) return;
            reader.seen.push(...value.events.map(({ id }) => id));
            reader.after = value.after;
          });
        };
        for (const step of steps) {
          if (step.act === 'seal') seal(step.count);
          else if (step.act === 'wait') await vi.advanceTimersByTimeAsync(step.ms);
          else {
            const reader = readers[step.who]!;
            if (step.act === 'read') ask(reader);
            else {
              const left = reader.watching;
              reader.watching = start(reader.after, reader.filter);
              reader.asked = undefined;
              const ended = left.return();
              await vi.advanceTimersByTimeAsync(AUDIT_HEARTBEAT_MS);
              await ended;
            }
          }
        }
        for (const reader of readers) {
          const expected = trail.map(({ event }) => event).filter((event) => matches(reader.filter, event));
          for (let tries = 0; tries < 60 && reader.after < trail.length; tries += 1) {
            ask(reader);
            await vi.advanceTimersByTimeAsync(AUDIT_HEARTBEAT_MS);
          }
          expect(reader.seen).toEqual(expected.map(({ id }) => id));
          const ended = reader.watching.return();
          await vi.advanceTimersByTimeAsync(AUDIT_HEARTBEAT_MS);
          await ended;
        }
      }),
      { numRuns: 60 },
    );
  });
});
