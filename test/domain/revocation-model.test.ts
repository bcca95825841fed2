// Holds the packed revocation index to a model of plain maps, whatever is applied, pruned and read while clocks move.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import type { Revocation } from '../../src/domain/revocation/revocation.ts';
import { BUCKET_MS } from '../../src/revocation-table/revocation-table.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { uuidOf } from '../support/uuids.ts';

const START = Date.UTC(2026, 0, 1, 0, 0, 30);
/** Revoked again and again; the last two are no canonical UUIDs, and other ids than the first. */
const POOL = [...['a', 'b', 'c', 'd', 'e'].map(uuidOf), uuidOf('a').toUpperCase(), 'not a uuid'];

type Held = { revocation: Revocation; bucket: number };

/** The index as two plain maps: what is applied to it, and when each entry is looked at next. */
class Model {
  readonly held = new Map<string, Held>();
  readonly #clock: FakeClock;
  #databaseTime = Infinity;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get horizon(): number {
    return Math.min(this.#clock.now(), this.#databaseTime);
  }

  /** What of it changes something. */
  apply(list: readonly Revocation[]): Revocation[] {
    return list.filter((next) => {
      if (next.expireTime <= this.horizon) return false;
      const key = `${next.form} ${next.id}`;
      const known = this.held.get(key);
      const isLive = known !== undefined && known.revocation.expireTime > this.horizon;
      const merged = isLive ? merge(known.revocation, next) : next;
      if (isLive && JSON.stringify(numbersOf(merged)) === JSON.stringify(numbersOf(known.revocation)))
        return false;
      this.held.set(key, { revocation: merged, bucket: known?.bucket ?? bucketOf(merged) });
      return true;
    });
  }

  prune(databaseTime: number): void {
    this.#databaseTime = databaseTime;
    for (const [key, entry] of this.held) {
      const isDue = isPacked(entry.revocation.id)
        ? (entry.bucket + 1) * BUCKET_MS <= this.horizon
        : entry.revocation.expireTime <= this.horizon;
      if (isDue && entry.revocation.expireTime <= this.horizon) this.held.delete(key);
      else if (isDue) entry.bucket = bucketOf(entry.revocation);
    }
  }

  live(): Revocation[] {
    return [...this.held.values()]
      .map(({ revocation }) => revocation)
      .filter(({ expireTime }) => expireTime > this.horizon);
  }
}

const isPacked = (id: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
const bucketOf = ({ expireTime }: Revocation) => Math.floor(expireTime / BUCKET_MS);
const numbersOf = (one: Revocation) => [
  one.expireTime,
  one.form === 'subject' ? one.minVersion : undefined,
  one.form === 'session' ? (one.effectTime ?? 'at once') : undefined,
];

function merge(known: Revocation, next: Revocation): Revocation {
  const expireTime = Math.max(known.expireTime, next.expireTime);
  if (known.form === 'subject' && next.form === 'subject')
    return { ...next, expireTime, minVersion: Math.max(known.minVersion, next.minVersion) };
  if (known.form !== 'session' || next.form !== 'session') return { ...next, expireTime };
  const { effectTime: _effectTime, ...rest } = { ...next, expireTime };
  if (known.effectTime === undefined || next.effectTime === undefined) return rest;
  return { ...rest, effectTime: Math.min(known.effectTime, next.effectTime) };
}

/** Whether `known` holds as long and revokes as much as `one`. */
function isAtLeast(known: Revocation | undefined, one: Revocation): boolean {
  return (
    known !== undefined && JSON.stringify(numbersOf(merge(known, one))) === JSON.stringify(numbersOf(known))
  );
}

const byKey = (left: Revocation, right: Revocation) =>
  `${left.form} ${left.id}` < `${right.form} ${right.id}` ? -1 : 1;

const someTime = fc.integer({ min: START - BUCKET_MS, max: START + 6 * BUCKET_MS });
const ofPool: fc.Arbitrary<Revocation> = fc
  .record({
    form: fc.constantFrom('token', 'session', 'subject'),
    id: fc.constantFrom(...POOL),
    minVersion: fc.integer({ min: 1, max: 5 }),
    revokeTime: someTime,
    expireTime: someTime,
    effectTime: fc.option(someTime, { nil: undefined }),
  })
  .map(({ form, minVersion, effectTime, ...rest }): Revocation => {
    if (form === 'subject') return { form, minVersion, ...rest };
    if (form === 'token' || effectTime === undefined) return { form, ...rest };
    return { form, effectTime, ...rest };
  });
/** Many that are revoked once, so that the table grows over many chains, pages and slabs. */
const many = fc
  .record({ count: fc.integer({ min: 1, max: 600 }), seed: fc.nat(), expireTime: someTime })
  .map(({ count, seed, expireTime }) =>
    Array.from({ length: count }, (_, index): Revocation => {
      const times = { revokeTime: START, expireTime: expireTime + index };
      return { form: 'token', id: uuidOf(`${seed}-${index}`), ...times };
    }),
  );
const batch = fc.oneof(fc.array(ofPool, { maxLength: 8 }), many);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('apply' as const), list: batch }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('prune' as const),
      behindMs: fc.oneof(fc.constant(-Infinity), fc.integer({ min: -BUCKET_MS, max: 2 * BUCKET_MS })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      ms: fc.integer({ min: -BUCKET_MS, max: 2 * BUCKET_MS }),
    }),
  },
);

/** The same with clocks that only go forward. */
const forward = step.map((one): Step => {
  if (one.kind === 'move') return { ...one, ms: Math.abs(one.ms) };
  return one.kind === 'prune' ? { ...one, behindMs: 0 } : one;
});

function world() {
  const clock = new FakeClock(START);
  const index = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
  const model = new Model(clock);
  const heard: Revocation[] = [];
  index.subscribe((changes) => heard.push(...changes));
  const run = (one: Step) => {
    if (one.kind === 'apply') {
      heard.length = 0;
      index.apply(one.list);
      expect(heard).toEqual(model.apply(one.list));
    } else if (one.kind === 'prune') {
      index.prune(clock.now() - one.behindMs);
      model.prune(clock.now() - one.behindMs);
    } else {
      clock.set(clock.now() + one.ms);
    }
  };
  return { clock, index, model, run };
}
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** Every answer that the index gives of these. */
function answersOf(index: RevocationIndex, list: readonly Revocation[]) {
  return list.map(({ form, id }) => {
    const nobody = { tokenId: '-', sessionId: undefined, subjectId: '-', version: 1 };
    if (form === 'token') return index.isRevoked({ ...nobody, tokenId: id });
    if (form === 'session') return index.isSessionRevoked(id);
    return index.minVersionOf(id);
  });
}

function expectedOf(model: Model, now: number, list: readonly Revocation[]) {
  return list.map(({ form, id }) => {
    const held = model.held.get(`${form} ${id}`)?.revocation;
    if (form === 'token') return held !== undefined;
    if (held?.form === 'session') return held.effectTime === undefined || held.effectTime <= now;
    return held?.form === 'subject' ? held.minVersion : form === 'session' ? false : 0;
  });
}

describe('the packed revocation index', () => {
  it('answers, lists, counts and passes on as plain maps would, whatever comes in whatever order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { clock, index, model, run } = world();
        const named = POOL.flatMap((id): Revocation[] => [
          { form: 'token', id, revokeTime: 0, expireTime: 0 },
          { form: 'session', id, revokeTime: 0, expireTime: 0 },
          { form: 'subject', id, minVersion: 1, revokeTime: 0, expireTime: 0 },
        ]);
        for (const one of steps) {
          run(one);
          if (one.kind === 'apply') named.push(...one.list.slice(0, 50));
          expect(index.size).toBe(model.held.size);
          expect(answersOf(index, named)).toEqual(expectedOf(model, clock.now(), named));
        }
        expect([...index.livePages()].flat().toSorted(byKey)).toEqual(model.live().toSorted(byKey));
      }),
      { numRuns: 100 },
    );
  });

  it('misses nothing in a snapshot that others read too, while entries come and go between its pages', () => {
    const steps = fc.array(fc.oneof(fc.constant('read' as const), fc.constant('join' as const), forward), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(fc.array(many, { maxLength: 5 }), steps, (before, list) => {
        const { index, run } = world();
        for (const one of before) index.apply(one);
        const readers: Array<{ copy: RevocationIndex; pages: Iterator<readonly Revocation[], void> }> = [];
        const join = () => {
          // Never thinks that anything has expired.
          const copy = new RevocationIndex({ clock: new FakeClock(0), databaseOutageGraceMs: 60_000 });
          index.subscribe((changes) => copy.apply(changes));
          readers.push({ copy, pages: index.livePages() });
        };
        const read = () => {
          for (const { copy, pages } of readers) copy.apply(pages.next().value ?? []);
        };
        join();
        for (const one of list) {
          if (one === 'read') read();
          else if (one === 'join') join();
          else run(one);
        }
        for (const { copy, pages } of readers)
          for (let page = pages.next(); page.done !== true; page = pages.next()) copy.apply(page.value);
        const live = [...index.livePages()].flat();
        for (const { copy } of readers) {
          const known = new Map([...copy.livePages()].flat().map((one) => [`${one.form} ${one.id}`, one]));
          for (const one of live) expect(isAtLeast(known.get(`${one.form} ${one.id}`), one)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('gives those who read together the very same pages, and a changed page anew', () => {
    const { index } = world();
    const expireTime = START + 10 * BUCKET_MS;
    const all = Array.from({ length: 1_000 }, (_, number): Revocation => {
      return { form: 'token', id: uuidOf(`${number}`), revokeTime: START, expireTime };
    });
    index.apply(all);
    const [first, second, third] = [index.livePages(), index.livePages(), index.livePages()];
    const page = first.next().value;
    expect(page).toHaveLength(250);
    expect(second.next().value).toBe(page);
    index.apply(page!.slice(0, 1).map((one) => ({ ...one, expireTime: expireTime + 1 })));
    const changed = third.next().value!;
    expect(changed).not.toBe(page);
    expect(changed[0]!.expireTime).toBe(expireTime + 1);
    // One who comes later begins where the others are, and is given the rest afterwards.
    first.next();
    const late = [...index.livePages()];
    expect(
      late
        .flat()
        .toSorted(byKey)
        .map(({ id }) => id),
    ).toEqual(all.toSorted(byKey).map(({ id }) => id));
    expect(late[0]).toBe(second.next().value);
  });
});
