// What happened by the hour and by the day, and the census of sessions, on every database.

import * as fc from 'fast-check';
import { sql } from 'kysely';
import { beforeEach, expect, it } from 'vitest';
import type { AuditEvent } from '../../src/domain/audit/audit-event.ts';
import { keepCensus, takeCensus } from '../../src/domain/stats/census.ts';
import { COUNTED_EVENTS } from '../../src/domain/stats/get-stats.ts';
import type { Activity, StatsPeriod } from '../../src/domain/stats/stats-store.ts';
import { keepStats } from '../../src/jobs/stats-keeper.ts';
import { appendAndSeal, sampleEvent, sealOnce } from '../support/audit-events.ts';
import type { TestStores } from '../support/databases.ts';
import { describeOnEveryDatabase } from '../support/databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { DAY_MS, MINUTE_MS, NOW, sampleSession, sampleUser } from '../support/samples.ts';

const HOUR_MS = 3_600_000;
const DAYS = 3;
const KINDS = [
  'account.register',
  'account.create',
  'account.import',
  'session.login',
  'session.verify_mfa',
  'session.mfa_challenge',
  'account.locked',
] as const;

const EVENT: fc.Arbitrary<Pick<AuditEvent, 'kind' | 'outcome' | 'time'>> = fc.record({
  kind: fc.constantFrom(...KINDS),
  outcome: fc.constantFrom('success' as const, 'refused' as const),
  time: fc.integer({ min: NOW, max: NOW + DAYS * DAY_MS - 1 }),
});

/** What the contract says that they count as, written down once more. */
function activityOf({ kind, outcome }: Pick<AuditEvent, 'kind' | 'outcome'>): Activity | undefined {
  const isSuccess = outcome === 'success';
  if (kind === 'account.register' || kind === 'account.create')
    return isSuccess ? 'registrations' : undefined;
  if (kind === 'session.login' || kind === 'session.verify_mfa') return isSuccess ? 'logins' : 'failures';
  return kind === 'account.locked' && isSuccess ? 'lockouts' : undefined;
}

const period = (interval: StatsPeriod['interval']): StatsPeriod => ({
  interval,
  start: NOW,
  end: NOW + DAYS * DAY_MS,
});

/** Counted by hand. */
function countsOf(events: ReadonlyArray<Pick<AuditEvent, 'kind' | 'outcome' | 'time'>>, ms: number) {
  const starts = new Set(
    events.filter((event) => activityOf(event) !== undefined).map(({ time }) => Math.floor(time / ms) * ms),
  );
  return [...starts]
    .toSorted((left, right) => left - right)
    .map((startTime) => {
      const activities = events
        .filter(({ time }) => Math.floor(time / ms) * ms === startTime)
        .map(activityOf);
      const count = (wanted: Activity) => activities.filter((activity) => activity === wanted).length;
      return {
        startTime,
        registrations: count('registrations'),
        logins: count('logins'),
        failures: count('failures'),
        lockouts: count('lockouts'),
      };
    });
}

describeOnEveryDatabase('what happened', (open) => {
  let db: TestStores;
  const reset = async () => {
    await appendAndSeal(db, []);
    await sql`delete from audit_counts`.execute(db.database.tables);
    await sql`delete from audit_day_counts`.execute(db.database.tables);
  };
  beforeEach(async () => {
    db ??= await open();
    await reset();
  });
  const counted = (interval: StatsPeriod['interval']) =>
    db.stores.stats.activity(period(interval), COUNTED_EVENTS);

  it('is counted in its hour and its day, each event once, sealed or not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(EVENT, { maxLength: 40 }), fc.nat(40), async (events, sealed) => {
        await reset();
        await appendAndSeal(db, events.slice(0, sealed).map(sampleEvent));
        for (const event of events.slice(sealed)) await db.stores.audit.append(sampleEvent(event));
        for (let look = 0; look < 2; look += 1) {
          expect(await counted('hour')).toEqual(countsOf(events, HOUR_MS));
          expect(await counted('day')).toEqual(countsOf(events, DAY_MS));
          await appendAndSeal(db, []);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('leaves out what lies outside of the period', async () => {
    const times = [NOW - 1, NOW, NOW + DAYS * DAY_MS - 1, NOW + DAYS * DAY_MS];
    for (const time of times) await db.stores.audit.append(sampleEvent({ time }));
    for (let look = 0; look < 2; look += 1) {
      for (const interval of ['hour', 'day'] as const)
        expect((await counted(interval)).map(({ logins }) => logins)).toEqual([1, 1]);
      await appendAndSeal(db, []);
    }
  });

  it('is exact at every read while events are written and sealed: never a dip, never twice', async () => {
    if (db.url === undefined) return;
    const lanes = 4;
    const each = 120;
    let begun = 0;
    let written = 0;
    const over = new AbortController();
    const write = async (lane: number) => {
      for (let n = 0; n < each; n += 1) {
        begun += 1;
        await db.stores.audit.append(sampleEvent({ time: NOW + ((lane * each + n) % 70) * HOUR_MS }));
        written += 1;
      }
    };
    const seal = async () => {
      while (!over.signal.aborted) await sealOnce(db);
    };
    let reads = 0;
    const read = async (interval: StatsPeriod['interval']) => {
      while (!over.signal.aborted) {
        const least = written;
        const logins = (await counted(interval)).reduce((sum, count) => sum + count.logins, 0);
        expect(logins).toBeGreaterThanOrEqual(least);
        expect(logins).toBeLessThanOrEqual(begun);
        reads += 1;
      }
    };
    const others = [seal(), seal(), read('hour'), read('day')];
    await Promise.all(Array.from({ length: lanes }, (_, lane) => write(lane))).finally(() => over.abort());
    await Promise.all(others);
    expect(reads).toBeGreaterThan(10);
    await appendAndSeal(db, []);
    const sums = await Promise.all([counted('hour'), counted('day')]);
    expect(sums.map((counts) => counts.reduce((sum, { logins }) => sum + logins, 0))).toEqual([
      lanes * each,
      lanes * each,
    ]);
  });
});

describeOnEveryDatabase('the census of sessions', (open) => {
  let db: TestStores;
  const clock = new FakeClock(NOW);
  beforeEach(async () => {
    db ??= await open();
    clock.set(NOW);
    for (const table of ['sessions', 'users', 'session_census'])
      await sql`delete from ${sql.table(table)}`.execute(db.database.tables);
  });
  const deps = () => ({ transact: db.transact, clock });
  const newUser = async () => {
    const user = sampleUser();
    await db.stores.users.insert(user);
    return user.id;
  };
  const openSession = async (userId: string, change: Parameters<typeof sampleSession>[1] = {}) => {
    const session = sampleSession(userId, change);
    await db.stores.sessions.insert(session);
    return session;
  };

  it('counts those that live, and no other', async () => {
    const [ada, barred] = [await newUser(), await newUser()];
    await openSession(ada);
    await openSession(ada, { usesCookie: true });
    await openSession(ada, { expireTime: NOW + 1 });
    await openSession(ada, { expireTime: NOW });
    await openSession(ada, { maxExpireTime: NOW });
    await openSession(ada, { epoch: 0 });
    await openSession(barred);
    await sql`update users set status = 'suspended' where id = ${barred}`.execute(db.database.tables);
    const revoked = await openSession(ada);
    expect(await db.stores.sessions.revoke(revoked.id, ada, NOW)).toBe(true);
    expect(await takeCensus(deps())).toMatchObject({ activeSessions: 3, time: NOW });
    expect(await db.stores.stats.sessionCensus()).toMatchObject({ activeSessions: 3, time: NOW });
  });

  it('is counted in pieces, each session once', async () => {
    const ada = await newUser();
    for (let n = 0; n < 23; n += 1) await openSession(ada);
    for (const limit of [1, 7, 23, 24]) {
      let [active, pieces, position] = [0, 0, undefined as string | undefined];
      do {
        const step = { now: NOW, position, limit };
        const progress = await db.transact(({ statsKeeper }) => statsKeeper.countSessions(step));
        active += progress.active;
        pieces += 1;
        ({ position } = progress);
      } while (position !== undefined);
      expect([limit, active, pieces]).toEqual([limit, 23, Math.floor(23 / limit) + 1]);
    }
  });

  it('is kept by the first node that comes, when it is due', async () => {
    const ada = await newUser();
    await openSession(ada);
    await Promise.all([keepCensus(deps()), keepCensus(deps()), keepCensus(deps())]);
    expect(await db.stores.stats.sessionCensus()).toMatchObject({ activeSessions: 1, time: NOW });
    await openSession(ada);
    clock.advance(MINUTE_MS - 1);
    await keepStats(deps(), new AbortController().signal);
    expect(await db.stores.stats.sessionCensus()).toMatchObject({ activeSessions: 1, time: NOW });
    clock.advance(1);
    await keepStats(deps(), new AbortController().signal);
    expect(await db.stores.stats.sessionCensus()).toMatchObject({
      activeSessions: 2,
      time: NOW + MINUTE_MS,
    });
  });

  it('leaves the last one as it was when it is stopped', async () => {
    await takeCensus(deps());
    await openSession(await newUser());
    expect(await takeCensus(deps(), AbortSignal.abort())).toBeUndefined();
    expect(await db.stores.stats.sessionCensus()).toMatchObject({ activeSessions: 0 });
  });

  it('sees one snapshot, whatever is opened and ended concurrently', async () => {
    if (db.url === undefined) return;
    const ada = await newUser();
    for (let n = 0; n < 10; n += 1) await openSession(ada);
    await db.transact(async ({ statsKeeper }) => {
      await statsKeeper.seeOneMoment();
      const first = await statsKeeper.countSessions({ now: NOW, position: undefined, limit: 4 });
      await openSession(ada);
      await sql`update sessions set revoke_time = now()`.execute(db.database.tables);
      const rest = await statsKeeper.countSessions({ now: NOW, position: first.position, limit: 100 });
      expect(first.active + rest.active).toBe(10);
    });
  });
});
