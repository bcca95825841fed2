// Holds the revocation index: in whatever order and however often revocations come, the answers are the same.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { publishRevocations } from '../../src/domain/revocation/publish-revocations.ts';
import { MAX_STALENESS_MS, RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import { REVOCATION_MARGIN_MS, revocation, type Revocation } from '../../src/domain/revocation/revocation.ts';
import { BUCKET_MS } from '../../src/revocation-table/revocation-table.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { anyNumber, containing } from '../support/matchers.ts';
import { uuidOf } from '../support/uuids.ts';

const START = Date.UTC(2026, 0, 1);
const NAMES = ['a', 'b', 'c'].map(uuidOf);
const [TOKEN, SESSION, SUBJECT, NOBODY] = ['token', 'session', 'subject', 'nobody'].map(uuidOf) as [
  string,
  string,
  string,
  string,
];

const anyRevocation: fc.Arbitrary<Revocation> = fc
  .record({
    form: fc.constantFrom('token', 'session', 'subject'),
    id: fc.constantFrom(...NAMES),
    minVersion: fc.integer({ min: 1, max: 5 }),
    expireTime: fc.integer({ min: START - 5, max: START + 20 }),
    effectTime: fc.option(fc.integer({ min: START - 5, max: START + 20 }), { nil: undefined }),
  })
  .map(({ form, minVersion, effectTime, ...rest }): Revocation => {
    const times = { ...rest, revokeTime: START };
    if (form === 'subject') return { form, minVersion, ...times };
    return form === 'session' ? { form, effectTime, ...times } : { form, ...times };
  });

/** Every answer that the index gives. */
function answers(index: RevocationIndex) {
  const tokens = NAMES.flatMap((name) =>
    [1, 2, 3, 4, 5].flatMap((version) => [
      index.isRevoked({ tokenId: name, sessionId: undefined, subjectId: NOBODY, version }),
      index.isRevoked({ tokenId: NOBODY, sessionId: name, subjectId: NOBODY, version }),
      index.isRevoked({ tokenId: NOBODY, sessionId: NOBODY, subjectId: name, version }),
    ]),
  );
  const lookups = NAMES.flatMap((name) => [index.isSessionRevoked(name), index.minVersionOf(name)]);
  return { tokens, lookups, size: index.size };
}

describe('the revocation index', () => {
  it('answers the same for any order, with any repeats, now and after pruning at any time', () => {
    const someOrder = fc.array(anyRevocation, { maxLength: 20 }).chain((list) =>
      fc.record({
        list: fc.constant(list),
        shuffled: fc.shuffledSubarray(list, { minLength: list.length }),
        repeated: fc.subarray(list),
      }),
    );
    fc.assert(
      fc.property(someOrder, fc.integer({ min: 0, max: 25 }), ({ list, shuffled, repeated }, later) => {
        const clock = new FakeClock(START);
        const [left, right] = [
          new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 }),
          new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 }),
        ];
        left.apply(list);
        right.apply(shuffled);
        right.apply(repeated);
        expect(answers(right)).toEqual(answers(left));
        clock.advance(later);
        left.prune();
        right.prune();
        expect(answers(right)).toEqual(answers(left));
      }),
    );
  });

  it('ends a session at the time said, and at once when that is said before or after', () => {
    const clock = new FakeClock(START);
    const at = (effectTime?: number) =>
      revocation(
        { form: 'session', id: SESSION, ...(effectTime === undefined ? {} : { effectTime }) },
        START,
        1_000,
      );
    const index = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
    index.apply([at(START + 10), at(START + 20)]);
    clock.advance(9);
    expect(index.isSessionRevoked(SESSION)).toBe(false);
    clock.advance(1);
    expect(index.isSessionRevoked(SESSION)).toBe(true);
    expect(index.isRevoked({ tokenId: TOKEN, sessionId: SESSION, subjectId: SUBJECT, version: 1 })).toBe(
      true,
    );
    for (const both of [
      [at(START + 10), at()],
      [at(), at(START + 10)],
    ]) {
      const other = new RevocationIndex({ clock: new FakeClock(START), databaseOutageGraceMs: 60_000 });
      other.apply(both);
      expect(other.isSessionRevoked(SESSION)).toBe(true);
    }
  });

  it('keeps a revocation that lies ahead for as long as a token from just before could live', () => {
    const late = revocation({ form: 'session', id: SESSION, effectTime: START + 50_000 }, START, 1_000);
    expect(late.expireTime).toBe(START + 50_000 + 1_000 + REVOCATION_MARGIN_MS);
    // Another node's clock may be behind: what holds at once holds there too.
    const index = new RevocationIndex({
      clock: new FakeClock(START - 60_000),
      databaseOutageGraceMs: 60_000,
    });
    index.apply([revocation({ form: 'session', id: SESSION }, START, 1_000)]);
    expect(index.isSessionRevoked(SESSION)).toBe(true);
  });

  it('holds what is live, and each form for what it names', () => {
    const clock = new FakeClock(START);
    const index = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
    const token = { tokenId: TOKEN, sessionId: SESSION, subjectId: SUBJECT, version: 4 };
    expect(index.isRevoked(token)).toBe(false);
    const revoked = (one: Parameters<typeof revocation>[0]) => {
      const other = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
      other.apply([revocation(one, START, 0)]);
      return other.isRevoked(token);
    };
    expect(revoked({ form: 'token', id: TOKEN })).toBe(true);
    expect(revoked({ form: 'session', id: SESSION })).toBe(true);
    expect(revoked({ form: 'subject', id: SUBJECT, minVersion: 5 })).toBe(true);
    expect(revoked({ form: 'subject', id: SUBJECT, minVersion: 4 })).toBe(false);
    expect(revoked({ form: 'token', id: SESSION })).toBe(false);
    expect(revoked({ form: 'session', id: TOKEN })).toBe(false);
    expect(revoked({ form: 'subject', id: TOKEN, minVersion: 9 })).toBe(false);
  });

  it('keeps a revocation for longer than any token that it ends, and then lets it go', () => {
    const clock = new FakeClock(START);
    const index = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
    const ttl = 900_000;
    index.apply([revocation({ form: 'session', id: SESSION }, START, ttl)]);
    clock.advance(ttl + REVOCATION_MARGIN_MS - 1);
    index.prune();
    expect(index.isSessionRevoked(SESSION)).toBe(true);
    clock.advance(1);
    index.prune();
    expect([...index.livePages()].flat()).toEqual([]);
    clock.advance(BUCKET_MS);
    index.prune();
    expect(index.size).toBe(0);
  });

  it('is stale before its first look, and 5 s after its last', () => {
    const clock = new FakeClock(START);
    const index = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
    const stale = containing({ reason: 'REVOCATIONS_STALE', retryAfterMs: anyNumber });
    expect(() => index.requireFresh()).toThrow(stale);
    index.markFresh(START);
    clock.advance(MAX_STALENESS_MS);
    expect(() => index.requireFresh()).not.toThrow();
    clock.advance(1);
    expect(() => index.requireFresh()).toThrow(stale);
    index.markFresh(START + 1);
    index.markFresh(START - 60_000);
    expect(index.isFresh()).toBe(true);
  });

  it('is not fresh for an hour because the clock was set back by one', () => {
    const clock = new FakeClock(START);
    const index = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
    index.markFresh(START);
    clock.set(START - 3_600_000);
    expect(index.isFresh()).toBe(false);
    index.markFresh(clock.now());
    expect(index.isFresh()).toBe(true);
    clock.advance(MAX_STALENESS_MS + 1);
    expect(index.isFresh()).toBe(false);
  });
});

describe('freshness from the channel alone', () => {
  const GRACE_MS = 60_000;
  const aged = (databaseAgeMs: number, channelAgeMs: number) => {
    const clock = new FakeClock(START);
    const index = new RevocationIndex({ clock, databaseOutageGraceMs: GRACE_MS });
    index.markFresh(START - databaseAgeMs);
    index.markHeard(START - channelAgeMs);
    return index;
  };

  it.each([
    [0, Infinity, 0],
    [3_000, 100, 100],
    [55_000, 100, 100],
    [57_000, 100, 2_000],
    [60_000, 100, 5_000],
    [60_001, 0, 5_001],
    [3_600_000, 0, 3_545_000],
    [20_000, 6_000, 6_000],
    [Infinity, 0, Infinity],
  ])('with the database read %d ms ago and the channel %d ms ago is %d ms old', (database, channel, age) => {
    const index = aged(database, channel);
    expect(index.ageMs).toBe(age);
    expect(index.isFresh()).toBe(age <= MAX_STALENESS_MS);
  });

  it('ends with the grace, however often the channel is heard, and comes back with the database', () => {
    const clock = new FakeClock(START);
    const index = new RevocationIndex({ clock, databaseOutageGraceMs: GRACE_MS });
    index.markFresh(START);
    const fresh: boolean[] = [];
    for (let second = 1; second <= 120; second += 1) {
      clock.advance(1_000);
      index.markHeard(clock.now());
      fresh.push(index.isFresh());
    }
    expect(fresh.lastIndexOf(true)).toBe(59);
    expect(fresh.filter(Boolean)).toHaveLength(60);
    index.markFresh(clock.now());
    expect(index.isFresh()).toBe(true);
  });
});

describe('a clock that is set ahead', () => {
  it('makes the index neither evict nor pass over what is live by the clock of the database', () => {
    const clock = new FakeClock(START + 86_400_000);
    const index = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
    index.apply([revocation({ form: 'session', id: uuidOf('before') }, START, 900_000)]);
    index.prune(START);
    index.apply([revocation({ form: 'session', id: SESSION }, START, 900_000)]);
    index.prune(START + 1_000);
    clock.set(START + 1_000);
    expect(index.isSessionRevoked(SESSION)).toBe(true);
    index.prune(START + 86_400_000);
    expect(index.isSessionRevoked(SESSION)).toBe(true);
  });
});

describe('publishing revocations', () => {
  const one = revocation({ form: 'token', id: TOKEN }, START, 1_000);

  it('applies them here also when the channel is away, and reports that', async () => {
    const revocationIndex = new RevocationIndex({
      clock: new FakeClock(START),
      databaseOutageGraceMs: 60_000,
    });
    const failures: unknown[] = [];
    const publish = () => Promise.reject(new Error('away'));
    await publishRevocations(
      { revocationIndex, revocationChannel: { publish }, onChannelFailure: (error) => failures.push(error) },
      [one],
    );
    expect(revocationIndex.size).toBe(1);
    expect(failures).toEqual([new Error('away')]);
  });

  it('publishes nothing when there are none', async () => {
    const published: unknown[] = [];
    const revocationIndex = new RevocationIndex({
      clock: new FakeClock(START),
      databaseOutageGraceMs: 60_000,
    });
    const revocationChannel = { publish: async (list: readonly Revocation[]) => void published.push(list) };
    const deps = { revocationIndex, revocationChannel, onChannelFailure: () => undefined };
    await publishRevocations(deps, []);
    await publishRevocations(deps, [one]);
    expect(published).toEqual([[one]]);
  });
});
