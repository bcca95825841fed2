// Holds the watch of revocations: nothing is missed, nothing piles up, and no heartbeat claims more than is known.

import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DomainError } from '../../src/domain/errors.ts';
import { MAX_PENDING } from '../../src/domain/revocation/change-queue.ts';
import { MAX_STALENESS_MS, RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import type { RevocationPosition } from '../../src/domain/revocation/revocation-store.ts';
import type { Revocation } from '../../src/domain/revocation/revocation.ts';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import type { WatchDeps, WatchMessage } from '../../src/domain/revocation/watch-revocations.ts';
import {
  HEARTBEAT_MS,
  MAX_CURSOR_AGE_MS,
  MAX_PER_MESSAGE,
  watchRevocations,
} from '../../src/domain/revocation/watch-revocations.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { uuidOf } from '../support/uuids.ts';

beforeEach(() => {
  // Not setImmediate: a snapshot goes on in the next turn of the event loop.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function world() {
  const clock = new FakeClock();
  const revocationIndex = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
  revocationIndex.markFresh(clock.now());
  revocationIndex.markRead({ position: '1', time: clock.now() });
  const stored: Revocation[] = [];
  const listeners = { count: 0 };
  const subscribe = revocationIndex.subscribe.bind(revocationIndex);
  vi.spyOn(revocationIndex, 'subscribe').mockImplementation((listener) => {
    listeners.count += 1;
    const end = subscribe(listener);
    return () => {
      listeners.count -= 1;
      end();
    };
  });
  const asked: string[] = [];
  const since = async (cursor: string) => {
    asked.push(cursor);
    return { revocations: stored, cursor: '9', databaseTime: clock.now() };
  };
  const deps: WatchDeps = { revocationIndex, revocations: { since }, clock };
  const gone = new AbortController();
  const start = (cursor?: string, ageMs = 0) =>
    watchRevocations(deps, {
      cursor: cursor === undefined ? undefined : { position: cursor, time: clock.now() - ageMs },
      signal: gone.signal,
    });
  const revoke = (...ids: readonly string[]) =>
    revocationIndex.apply(ids.map((id) => revocation({ form: 'token', id }, clock.now(), 900_000)));
  return { clock, revocationIndex, stored, asked, deps, gone, start, revoke, listeners };
}

async function next(watching: AsyncGenerator<WatchMessage, void, undefined>): Promise<WatchMessage> {
  const step = await watching.next();
  if (step.done === true) throw new Error('the watch is over');
  return step.value;
}

function idsOf(news: WatchMessage): readonly string[] {
  return 'revocations' in news ? news.revocations.map(({ id }) => id) : [];
}

const ids = (count: number, prefix = 'id') =>
  Array.from({ length: count }, (_, index) => uuidOf(prefix + index));

async function readSnapshot(watching: AsyncGenerator<WatchMessage, void, undefined>): Promise<string[]> {
  const found: string[] = [];
  for (let news = await next(watching); news.kind !== 'snapshot_end'; news = await next(watching))
    found.push(...idsOf(news));
  return found;
}

describe('a watch', () => {
  it('begins with all that is live, in messages of a bounded size, then a heartbeat', async () => {
    const { revoke, start } = world();
    revoke(...ids(2 * MAX_PER_MESSAGE + 1));
    const watching = start();
    const sizes = [await next(watching), await next(watching), await next(watching)].map(
      (news) => idsOf(news).length,
    );
    expect(sizes).toEqual([MAX_PER_MESSAGE, MAX_PER_MESSAGE, 1]);
    expect(await next(watching)).toMatchObject({ kind: 'snapshot_end', cursor: { position: '1' } });
    expect(await next(watching)).toMatchObject({ kind: 'heartbeat', ageMs: 0 });
    await watching.return();
  });

  it('tells what comes while the snapshot is being read', async () => {
    const { revoke, start } = world();
    revoke(...ids(MAX_PER_MESSAGE));
    const watching = start();
    const first = await next(watching);
    revoke('late');
    const rest = [...(await readSnapshot(watching)), ...idsOf(await next(watching))];
    expect([...idsOf(first), ...rest]).toContain('late');
    await watching.return();
  });

  it('comes to the end of a long snapshot though more changes come meanwhile than may wait', async () => {
    const { revoke, start } = world();
    const before = ids(12 * MAX_PER_MESSAGE);
    revoke(...before);
    const watching = start();
    const seen = new Set<string>();
    const late: string[] = [];
    const cursors = new Set<unknown>();
    for (
      let message = await next(watching);
      message.kind !== 'snapshot_end';
      message = await next(watching)
    ) {
      for (const id of idsOf(message)) seen.add(id);
      if (message.kind === 'events') cursors.add(message.cursor);
      if (message.kind !== 'snapshot') continue;
      late.push(...ids(MAX_PENDING / 10, `late${late.length}-`));
      revoke(...late.slice(-MAX_PENDING / 10));
    }
    expect(late.length).toBeGreaterThan(MAX_PENDING);
    expect([...cursors]).toEqual([undefined]);
    for (const id of idsOf(await next(watching))) seen.add(id);
    expect([...before, ...late].filter((id) => !seen.has(id))).toEqual([]);
    await watching.return();
  });

  it('reads what it missed page by page, with a cursor behind the last', async () => {
    const { deps, clock, gone } = world();
    const page = (prefix: string, position?: RevocationPosition) => ({
      revocations: ids(MAX_PER_MESSAGE, prefix).map((id) =>
        revocation({ form: 'token', id }, clock.now(), 900_000),
      ),
      cursor: `cursor ${prefix}`,
      databaseTime: clock.now(),
      next: position,
    });
    const second: RevocationPosition = { form: 'token', id: 'x', writtenBy: '7' };
    const since = async (cursor: string, after?: RevocationPosition) =>
      after === undefined ? page('a', second) : page(`${cursor}${after.id}`);
    const input = { cursor: { position: '7', time: clock.now() }, signal: gone.signal };
    const watching = watchRevocations({ ...deps, revocations: { since } }, input);
    expect(await next(watching)).toMatchObject({ kind: 'events', cursor: undefined });
    const last = await next(watching);
    expect(last).toMatchObject({ kind: 'events', cursor: { position: 'cursor a' } });
    expect(idsOf(last)[0]).toBe(uuidOf('7x0'));
    expect(await next(watching)).toMatchObject({ kind: 'heartbeat' });
    await watching.return();
  });

  it('resumes by what the database holds since, and reads no snapshot then', async () => {
    const { clock, stored, asked, revoke, start } = world();
    revoke('old');
    stored.push(revocation({ form: 'session', id: 'missed' }, clock.now(), 900_000));
    const watching = start('7');
    expect(await next(watching)).toMatchObject({ kind: 'events', cursor: { position: '9' } });
    expect(await next(watching)).toMatchObject({ kind: 'heartbeat' });
    expect(asked).toEqual(['7']);
    await watching.return();
  });

  it.each([
    ['an old cursor', MAX_CURSOR_AGE_MS + 1],
    ['a cursor of the future', -MAX_CURSOR_AGE_MS - 1],
  ])('begins anew for %s', async (_what, ageMs) => {
    const { asked, revoke, start } = world();
    revoke('old');
    const watching = start('7', ageMs);
    expect(await readSnapshot(watching)).toEqual(['old']);
    expect(asked).toEqual([]);
    await watching.return();
  });

  it('begins anew when the database is away, for the index knows it all', async () => {
    const { deps, revoke, clock, gone } = world();
    revoke('old');
    const away = async () => Promise.reject(new DomainError('STORAGE_UNAVAILABLE', 'away'));
    const watching = watchRevocations(
      { ...deps, revocations: { since: away } },
      { cursor: { position: '7', time: clock.now() }, signal: gone.signal },
    );
    expect(await readSnapshot(watching)).toEqual(['old']);
    await watching.return();
  });

  it('tells news at once, joined when the reader was slow, and a cursor only behind the last of them', async () => {
    const { revoke, start } = world();
    const watching = start();
    await readSnapshot(watching);
    await next(watching);
    const waiting = next(watching);
    revoke('a');
    expect(idsOf(await waiting)).toEqual(['a']);
    for (const id of ids(MAX_PER_MESSAGE + 1, 'b')) revoke(id);
    const [full, rest] = [await next(watching), await next(watching)];
    expect([idsOf(full).length, idsOf(rest).length]).toEqual([MAX_PER_MESSAGE, 1]);
    expect([full, rest]).toMatchObject([{ cursor: undefined }, { cursor: { position: '1' } }]);
    await watching.return();
  });

  it('does not tell again what it has told', async () => {
    const { clock, revocationIndex, start } = world();
    const watching = start();
    await readSnapshot(watching);
    await next(watching);
    const once = revocation({ form: 'subject', id: 'ada', minVersion: 3 }, clock.now(), 900_000);
    revocationIndex.apply([once]);
    revocationIndex.apply([once]);
    revocationIndex.apply([revocation({ form: 'subject', id: 'ada', minVersion: 2 }, clock.now(), 900_000)]);
    expect(idsOf(await next(watching))).toEqual(['ada']);
    const beat = next(watching);
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
    expect(await beat).toMatchObject({ kind: 'heartbeat' });
    await watching.return();
  });

  it('beats while it is fresh, also in a flood of news, and ends when it is not', async () => {
    const { clock, revocationIndex, revoke, start } = world();
    const watching = start();
    await readSnapshot(watching);
    let beats = 0;
    for (let step = 0; step < 100; step += 1) {
      revoke(`flood-${step}`);
      clock.advance(100);
      await vi.advanceTimersByTimeAsync(100);
      revocationIndex.markFresh(clock.now());
      if ((await next(watching)).kind === 'heartbeat') beats += 1;
    }
    expect(beats).toBeGreaterThanOrEqual(9);
    clock.advance(3_000);
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
    let news = await next(watching);
    while (news.kind !== 'heartbeat') news = await next(watching);
    expect(news.ageMs).toBe(3_000);
    clock.advance(MAX_STALENESS_MS);
    await vi.advanceTimersByTimeAsync(HEARTBEAT_MS);
    await expect(next(watching)).rejects.toMatchObject({ reason: 'REVOCATIONS_STALE' });
  });

  it('does not begin on a node that cannot know', async () => {
    const { clock, start } = world();
    clock.advance(MAX_STALENESS_MS + 1);
    await expect(next(start())).rejects.toMatchObject({ reason: 'REVOCATIONS_STALE' });
  });

  it('is given up when its reader is too slow, and keeps nothing then', async () => {
    const { revoke, start } = world();
    const watching = start();
    await readSnapshot(watching);
    revoke(...ids(MAX_PENDING, 'fits'));
    await next(watching);
    revoke(...ids(MAX_PER_MESSAGE, 'again'));
    expect(idsOf(await next(watching))).toHaveLength(MAX_PER_MESSAGE);
    revoke(...ids(MAX_PENDING, 'over'));
    await expect(next(watching)).rejects.toMatchObject({ reason: 'OVERLOADED', retryAfterMs: 0 });
    expect((await watching.next()).done).toBe(true);
  });

  it('ends when it is told to, wherever it waits, and leaves no timer and no listener', async () => {
    const { gone, listeners, start } = world();
    const watching = start();
    await readSnapshot(watching);
    await next(watching);
    const waiting = watching.next();
    expect(listeners.count).toBe(1);
    gone.abort();
    expect((await waiting).done).toBe(true);
    const left = start();
    gone.abort();
    await left.next();
    await left.return();
    expect(vi.getTimerCount()).toBe(0);
    expect(listeners.count).toBe(0);
  });

  it('misses nothing, whatever came before, while and after it read', async () => {
    vi.useRealTimers();
    const steps = fc.array(fc.oneof(fc.constant('read' as const), fc.integer({ min: 0, max: 300 })), {
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 600 }), steps, async (before, list) => {
        const { revoke, start, gone } = world();
        const all = ids(before, 'before');
        revoke(...all);
        const watching = start();
        const seen = new Set<string>();
        const read = async () => {
          for (const id of idsOf(await next(watching))) seen.add(id);
        };
        await read();
        for (const [index, step] of list.entries()) {
          const more = step === 'read' ? [] : ids(step, `step${index}-`);
          all.push(...more);
          revoke(...more);
          if (step === 'read' && seen.size < all.length) await read();
        }
        while (seen.size < all.length) await read();
        gone.abort();
        await watching.return();
        expect(seen.size).toBe(all.length);
      }),
      { numRuns: 50 },
    );
  });
});
