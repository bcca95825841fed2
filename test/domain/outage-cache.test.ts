// Holds the cache of credentials: one read for all who wait, nothing older than allowed, and answers while the database is silent.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OutageCache } from '../../src/domain/cache/outage-cache.ts';
import { DomainError } from '../../src/domain/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';

const FRESH_MS = 10_000;
const GRACE_MS = 60_000;
const MANY = 500;

type Value = { readonly id: string; readonly version: number };
type Load = () => Promise<Value | undefined>;

function world(maxEntries = 100) {
  const clock = new FakeClock();
  const known = { minVersion: 0 };
  const cache = new OutageCache<Value>({
    clock,
    freshMs: FRESH_MS,
    outageGraceMs: GRACE_MS,
    maxEntries,
    tagsOf: ({ id }) => [`tag of ${id}`],
    isCurrent: ({ version }) => version >= known.minVersion,
  });
  let loads = 0;
  let answer: Load = async () => ({ id: 'a', version: 1 });
  const find = (key = 'a') =>
    cache.find(key, () => {
      loads += 1;
      return answer();
    });
  return {
    clock,
    cache,
    known,
    find,
    loads: () => loads,
    answerBy: (next: Load) => {
      answer = next;
    },
  };
}

const away: Load = async () => {
  throw new DomainError('STORAGE_UNAVAILABLE', 'away');
};
const hanging: Load = () => new Promise(() => undefined);
const unavailable = { reason: 'STORAGE_UNAVAILABLE' };

describe('the cache of credentials', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('loads once for all who wait, and answers hits without a promise', async () => {
    const { find, loads } = world();
    const values = await Promise.all(Array.from({ length: MANY }, async () => find()));
    expect(new Set(values).size).toBe(1);
    expect(loads()).toBe(1);
    expect(find()).toEqual({ id: 'a', version: 1 });
  });

  it('does not cache that there is none, and evicts at once what is there no more', async () => {
    const { find, loads, answerBy, cache, clock } = world();
    await find();
    answerBy(async () => undefined);
    clock.advance(FRESH_MS);
    expect(await find()).toBeUndefined();
    expect(cache.size).toBe(0);
    expect(await find()).toBeUndefined();
    expect(loads()).toBe(3);
  });

  it('evicts what a background read did not find', async () => {
    const { find, answerBy, cache, clock } = world();
    await find();
    answerBy(async () => undefined);
    clock.advance(FRESH_MS - 1);
    expect(find()).toEqual({ id: 'a', version: 1 });
    await vi.waitFor(() => expect(cache.size).toBe(0));
  });

  it('revalidates in the background shortly before an entry must be read again', async () => {
    const { find, loads, clock } = world();
    await find();
    clock.advance(FRESH_MS - 1);
    for (let call = 0; call < MANY; call += 1) expect(find()).toEqual({ id: 'a', version: 1 });
    expect(loads()).toBe(2);
    await vi.advanceTimersByTimeAsync(0);
    clock.advance(FRESH_MS / 2);
    expect(find()).toEqual({ id: 'a', version: 1 });
    expect(loads()).toBe(2);
  });

  it('serves nothing older than fresh while the database answers', async () => {
    const { find, answerBy, clock } = world();
    await find();
    answerBy(async () => ({ id: 'a', version: 2 }));
    clock.advance(FRESH_MS);
    expect(await find()).toMatchObject({ version: 2 });
  });

  it('answers for the grace while the database refuses, with one try a second', async () => {
    const { find, loads, answerBy, clock } = world();
    await find();
    answerBy(away);
    clock.advance(FRESH_MS);
    expect(await find()).toMatchObject({ version: 1 });
    const before = loads();
    for (let call = 0; call < MANY; call += 1) expect(find()).toMatchObject({ version: 1 });
    expect(loads()).toBe(before);
    await vi.advanceTimersByTimeAsync(1_000);
    for (let call = 0; call < MANY; call += 1) expect(find()).toMatchObject({ version: 1 });
    expect(loads()).toBe(before + 1);
    clock.advance(GRACE_MS - 1);
    expect(find()).toMatchObject({ version: 1 });
    clock.advance(1);
    await expect(find()).rejects.toMatchObject(unavailable);
  });

  it('waits once for a database that hangs, and queues no further calls', async () => {
    const { find, loads, answerBy, clock } = world();
    await find();
    answerBy(hanging);
    clock.advance(FRESH_MS);
    const waiting = Array.from({ length: MANY }, async () => find());
    await vi.advanceTimersByTimeAsync(250);
    for (const value of await Promise.all(waiting)) expect(value).toMatchObject({ version: 1 });
    expect(loads()).toBe(2);
    await vi.advanceTimersByTimeAsync(5_000);
    for (let call = 0; call < MANY; call += 1) expect(find()).toMatchObject({ version: 1 });
    expect(loads()).toBe(2);
  });

  it('reads one entry in place of many while the database is away, and all again when it is back', async () => {
    const { find, loads, answerBy, clock } = world();
    const keys = Array.from({ length: 50 }, (_, index) => `key ${index}`);
    for (const key of keys) await find(key);
    answerBy(away);
    clock.advance(FRESH_MS);
    await find(keys[0]);
    const before = loads();
    for (const key of keys) await find(key);
    expect(loads()).toBe(before);
    answerBy(async () => ({ id: 'a', version: 2 }));
    await vi.advanceTimersByTimeAsync(1_000);
    await find(keys[1]);
    await vi.advanceTimersByTimeAsync(0);
    for (const key of keys) expect(await find(key)).toMatchObject({ version: 2 });
  });

  it('reads again what is contradicted, also while the read is under way, and never serves it in an outage', async () => {
    const { find, loads, answerBy, known } = world();
    await find();
    known.minVersion = 2;
    answerBy(async () => ({ id: 'a', version: 2 }));
    expect(await find()).toMatchObject({ version: 2 });
    expect(loads()).toBe(2);

    answerBy(async () => {
      // Known between the look at the row and its arrival.
      known.minVersion = 4;
      return { id: 'a', version: loads() === 3 ? 3 : 4 };
    });
    known.minVersion = 3;
    expect(await find()).toMatchObject({ version: 4 });
    expect(loads()).toBe(4);

    known.minVersion = 5;
    answerBy(away);
    await expect(find()).rejects.toMatchObject(unavailable);
  });

  it('falls back for all who wait on what one of them changed', async () => {
    const { find, loads, answerBy, cache, clock } = world();
    await find();
    answerBy(away);
    clock.advance(FRESH_MS);
    const used = async () => {
      const value = await find();
      cache.update('a', () => ({ id: 'a', version: 1 }));
      return value;
    };
    const values = await Promise.all(Array.from({ length: MANY }, used));
    for (const value of values) expect(value).toMatchObject({ version: 1 });
    expect(loads()).toBe(2);
  });

  it('does not fall back on what was evicted while it waited', async () => {
    const { find, answerBy, cache, clock } = world();
    await find();
    answerBy(async () => {
      cache.evictTagged('tag of a');
      return away();
    });
    clock.advance(FRESH_MS);
    await expect(find()).rejects.toMatchObject(unavailable);
  });

  it('passes on what is a fault and no outage', async () => {
    const { find, answerBy, clock } = world();
    await find();
    answerBy(async () => {
      throw new TypeError('a bug');
    });
    clock.advance(FRESH_MS);
    await expect(find()).rejects.toThrow('a bug');
  });

  it('is bounded, the oldest leave first, and tags of what left are gone', async () => {
    const { find, cache, loads } = world(3);
    for (const key of ['a', 'b', 'c', 'd']) await find(key);
    expect(cache.size).toBe(3);
    await find('b');
    expect(loads()).toBe(4);
    await find('a');
    expect(loads()).toBe(5);
    cache.evictTagged('tag of a');
    expect(cache.size).toBe(0);
  });

  it('reads again when the clock was set back', async () => {
    const { find, loads, clock } = world();
    await find();
    clock.advance(-1);
    await find();
    expect(loads()).toBe(2);
  });
});
