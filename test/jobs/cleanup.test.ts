// The cleanup job: bounded runs, resumed where they ended, one node at a time, in small batches.

import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import type { CleanupBatch, CleanupKind, CleanupProgress } from '../../src/domain/cleanup/cleanup-store.ts';
import { CLEANUP_KINDS, KEPT_MS } from '../../src/domain/cleanup/cleanup-store.ts';
import { BATCH_ROWS, Cleanup, RUN_MS, totalOf } from '../../src/jobs/cleanup.ts';
import { describeOnEveryDatabase } from '../support/databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DAY_MS, NOW, sampleSession, sampleUser } from '../support/samples.ts';
import { signUp, startTestService } from '../support/service.ts';

const NOTHING: CleanupProgress = { deleted: 0, isDone: true, position: undefined };

function world(deleteBatch: (batch: CleanupBatch) => CleanupProgress) {
  const clock = new FakeClock(NOW);
  const batches: CleanupBatch[] = [];
  const cleaned: Array<Partial<Record<CleanupKind, number>>> = [];
  const lock = { isFree: true };
  const cleaner = new Cleanup({
    clock,
    onCleaned: (deleted) => cleaned.push(deleted),
    transact: (work) =>
      work({
        cleanup: {
          tryLock: async () => lock.isFree,
          deleteBatch: async (batch) => {
            batches.push(batch);
            return deleteBatch(batch);
          },
        },
      }),
  });
  const kinds = () => batches.map(({ kind }) => kind);
  return { clock, batches, cleaned, lock, cleaner, kinds };
}

describe('a cleanup run', () => {
  it('asks for each kind once when nothing has ended, by its own age', async () => {
    const { batches, cleaned, cleaner, kinds } = world(() => NOTHING);
    await cleaner.run();
    expect(kinds()).toEqual(CLEANUP_KINDS);
    for (const { kind, before, now, limit } of batches)
      expect([before, now, limit]).toEqual([NOW - KEPT_MS[kind], NOW, BATCH_ROWS]);
    expect(cleaned).toEqual([]);
  });

  it('goes on with what is left, from where it came to', async () => {
    const { batches, cleaned, cleaner } = world(({ kind, position }) => {
      if (kind !== 'sessions' || position === 'second') return NOTHING;
      return { deleted: 3, isDone: false, position: position === undefined ? 'first' : 'second' };
    });
    await cleaner.run();
    const positions = () => batches.filter(({ kind }) => kind === 'sessions').map(({ position }) => position);
    expect(positions()).toEqual([undefined, 'first', 'second']);
    expect(cleaned).toEqual([{ sessions: 6 }]);
    await cleaner.run();
    expect(positions().slice(3)).toEqual([undefined, 'first', 'second']);
  });

  it('ends when its time is used up, and the next one begins with those whose turn it is', async () => {
    const { clock, cleaner, kinds } = world(() => {
      clock.advance(RUN_MS / 5);
      return { deleted: BATCH_ROWS, isDone: false, position: undefined };
    });
    await cleaner.run();
    expect(kinds()).toEqual(CLEANUP_KINDS.slice(0, 5));
    await cleaner.run();
    expect(kinds().slice(0, CLEANUP_KINDS.length)).toEqual(CLEANUP_KINDS);
  });

  it('ends when it is stopped, and when the clock is set back', async () => {
    const end = new AbortController();
    const told = world(() => {
      end.abort();
      return NOTHING;
    });
    await told.cleaner.run(end.signal);
    expect(told.batches).toHaveLength(1);
    const setBack = world(() => {
      setBack.clock.advance(-DAY_MS);
      return NOTHING;
    });
    await setBack.cleaner.run();
    expect(setBack.batches).toHaveLength(1);
  });

  it('leaves the work to another node that is at it', async () => {
    const { lock, batches, cleaner } = world(() => NOTHING);
    lock.isFree = false;
    await cleaner.run();
    expect(batches).toEqual([]);
    lock.isFree = true;
    await cleaner.run();
    expect(batches).toHaveLength(CLEANUP_KINDS.length);
  });

  it('takes turns with another node when it is to wait for it', async () => {
    const { lock, batches, cleaner } = world(() => ({ ...NOTHING, deleted: 1 }));
    lock.isFree = false;
    let waits = 0;
    const whenLocked = async () => {
      waits += 1;
      lock.isFree = waits === 3;
    };
    const outcome = await cleaner.run(undefined, { budgetMs: Infinity, whenLocked });
    expect([waits, outcome.end, totalOf(outcome.counts)]).toEqual([3, 'done', CLEANUP_KINDS.length]);
    expect(batches).toHaveLength(CLEANUP_KINDS.length);
  });

  it('is followed by another soon while there is much, and not for a little', async () => {
    const stopping = new AbortController();
    const { clock, cleaned, cleaner } = world(() => {
      clock.advance(RUN_MS / 16);
      if (cleaned.length === 1) return { deleted: 1, isDone: false, position: undefined };
      return { deleted: BATCH_ROWS, isDone: false, position: undefined };
    });
    await cleaner.catchUp(stopping.signal);
    expect(cleaned.map(totalOf)).toEqual([16 * BATCH_ROWS, 16]);
  });

  it('is not followed by another when it is stopped', async () => {
    const stopping = new AbortController();
    const { clock, batches, cleaner } = world(() => {
      clock.advance(RUN_MS / 16);
      if (batches.length === 16) stopping.abort();
      return { deleted: BATCH_ROWS, isDone: false, position: undefined };
    });
    await cleaner.catchUp(stopping.signal);
    expect(batches).toHaveLength(16);
  });

  it('goes on with the others when one kind fails, and reports it', async () => {
    const failure = new Error('no');
    const { cleaned, cleaner, kinds } = world(({ kind }) => {
      if (kind === 'actionTokens') throw failure;
      return { ...NOTHING, deleted: kind === 'mails' ? 1 : 0 };
    });
    await expect(cleaner.run()).rejects.toBe(failure);
    expect(kinds()).toEqual(CLEANUP_KINDS);
    expect(cleaned).toEqual([{ mails: 1 }]);
  });
});

describeOnEveryDatabase('cleanup jobs of two nodes', (open) => {
  it('leave nothing that has ended, and all that lives', async () => {
    const { stores, transact, database } = await open();
    const clock = new FakeClock(NOW + 20 * DAY_MS);
    const user = sampleUser();
    await stores.users.insert(user);
    const living = sampleSession(user.id, { expireTime: NOW + 25 * DAY_MS });
    await stores.sessions.insert(living);
    for (let n = 0; n < 50; n += 1) {
      await stores.sessions.insert(sampleSession(user.id));
      await stores.revocations.insert({ form: 'token', id: `t${n}`, revokeTime: NOW, expireTime: NOW });
    }
    const deleted: Array<Partial<Record<CleanupKind, number>>> = [];
    const node = () => new Cleanup({ transact, clock, onCleaned: (counts) => deleted.push(counts) });
    await Promise.all([node().run(), node().run()]);
    await node().run();
    const sum = (kind: CleanupKind) => deleted.reduce((total, counts) => total + (counts[kind] ?? 0), 0);
    expect([sum('sessions'), sum('revocations')]).toEqual([50, 50]);
    const { rows } = await sql`select id from sessions`.execute(database.tables);
    expect(rows).toEqual([{ id: living.id }]);
  });
});

describe('the service', () => {
  it('refreshes while expired sessions are deleted, and rejects the deleted ones', async () => {
    const clock = new FakeClock(Date.now());
    const service = await startTestService({ clock });
    const old = await signUp(service, 'old');
    clock.advance(15 * DAY_MS);
    await sql`
      insert into sessions (id, user_id, generation, salt, epoch, device_name, ip_address, user_agent, amr, auth_time, create_time,
        last_seen_time, expire_time, max_expire_time)
      select gen_random_uuid(), (select user_id from sessions), 1, '\\x00', 1, '', '', '', '{}', t, t, t, t, t
      from generate_series(1, 3000), (select ${new Date(clock.now() - 8 * DAY_MS)}::timestamptz as t) at_once`.execute(
      service.app.database.tables,
    );
    let { refreshToken } = await signUp(service, 'live');
    const over = new AbortController();
    const cleaning = service.app.cleaner.run().finally(() => over.abort());
    let refreshes = 0;
    while (!over.signal.aborted || refreshes < 10) {
      const { tokens } = await service.auth().refreshToken({ refreshToken });
      refreshToken = tokens?.refreshToken ?? '';
      refreshes += 1;
    }
    await cleaning;
    const { rows } = await sql`select 1 from sessions`.execute(service.app.database.tables);
    expect(rows).toHaveLength(1);
    // Not theft, which would alarm the owner: nothing is known of it any more.
    await expect(service.auth().refreshToken({ refreshToken: old.refreshToken })).rejects.toThrow(
      'The refresh token is not valid',
    );
    await service.stop();
  });
});
