// Holds the packed table of revocations: its hash, its bounds, and how it gives back what has expired.

import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/revocation-table/revocation-table.ts';
import {
  BUCKET_MS,
  FORMS,
  MAX_PRUNED,
  PAGE_ROWS,
  RevocationTable,
} from '../../src/revocation-table/revocation-table.ts';
import { HASH_WORDS, UuidKey, uuidText } from '../../src/revocation-table/uuid-key.ts';
import { uuidOf } from '../support/uuids.ts';

const NOW = 1_000 * BUCKET_MS;
const LATER = NOW + 10 * BUCKET_MS;

const entry = (name: string, more: Partial<Entry> = {}): Entry => ({
  form: FORMS.token,
  id: uuidOf(name),
  revokeTime: NOW,
  expireTime: LATER,
  value: 0,
  ...more,
});
const names = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);
const liveOf = (table: RevocationTable, horizon = NOW) =>
  Array.from({ length: table.pageCount }, (_, page) => table.pageOf(page, horizon)).flat();

describe('a key', () => {
  it('reads the canonical text of a UUID, and no other', () => {
    const key = new UuidKey();
    const id = '01234567-89ab-cdef-0011-ffeeddccbbaa';
    expect(key.read(FORMS.token, id)).toBe(true);
    expect(uuidText(key.words, 0)).toBe(id);
    const others = [
      '',
      'x',
      id.toUpperCase(),
      ` ${id}`,
      id.replaceAll('-', ''),
      id.replaceAll('-', '_'),
      `{${id}}`,
      ...['g', '-', 'é', '٣', '\u{100}', '\0'].map((bad) => bad + id.slice(1)),
      ...[7, 9, 12, 14, 35].map((at) => `${id.slice(0, at)}:${id.slice(at + 1)}`),
    ];
    expect(others.filter((text) => key.read(FORMS.token, text))).toEqual([]);
  });

  it('is hashed alike from text and from words, and differently for each form', () => {
    const key = new UuidKey();
    for (const name of names(100)) {
      const hashes = [FORMS.token, FORMS.session, FORMS.subject].map((form) => {
        key.read(form, uuidOf(name));
        expect(key.hashOf(form, key.words, 0)).toBe(key.hash);
        return key.hash;
      });
      expect(new Set(hashes).size).toBe(3);
    }
  });

  it('that collides with others under one process’s hash is spread out under another’s', () => {
    const chain = (key: UuidKey, id: string) => {
      key.read(FORMS.token, id);
      return key.hash & 0xff;
    };
    const known = new UuidKey();
    const colliding = names(20_000)
      .map(uuidOf)
      .filter((id) => chain(known, id) === 0);
    expect(colliding.length).toBeGreaterThan(40);
    const other = new UuidKey();
    expect(new Set(colliding.map((id) => chain(other, id))).size).toBeGreaterThan(colliding.length / 3);
  });
});

describe('the table', () => {
  it('finds every entry though all of them have the same hash', () => {
    const table = new RevocationTable(new Uint32Array(HASH_WORDS));
    const all = names(300);
    for (const name of all) table.put(entry(name, { expireTime: NOW + (Number(name) % 2) * LATER }), 0);
    expect(all.every((name) => table.has(FORMS.token, uuidOf(name)))).toBe(true);
    expect(table.has(FORMS.session, uuidOf('1'))).toBe(false);
    expect(table.has(FORMS.token, uuidOf('other'))).toBe(false);
    table.prune(NOW + BUCKET_MS);
    expect(all.map((name) => table.has(FORMS.token, uuidOf(name)))).toEqual(
      all.map((name) => Number(name) % 2 === 1),
    );
    expect(table.size).toBe(150);
  });

  it('holds ids that are no UUIDs as well, each for itself', () => {
    const table = new RevocationTable();
    const ids = [uuidOf('a'), uuidOf('a').toUpperCase(), 'x', '', '💥'];
    for (const [value, id] of ids.entries())
      expect(table.put(entry('', { form: FORMS.subject, id, value }), NOW)).toBe(true);
    expect(ids.map((id) => table.valueOf(FORMS.subject, id))).toEqual([0, 1, 2, 3, 4]);
    expect(ids.map((id) => table.has(FORMS.token, id))).toEqual(ids.map(() => false));
    expect(table.others(NOW).map(({ id }) => id)).toEqual(ids.slice(1));
    expect(table.put(entry('', { form: FORMS.subject, id: 'x', value: 2 }), NOW)).toBe(false);
    expect(table.put(entry('', { form: FORMS.subject, id: 'x', value: 9 }), NOW)).toBe(true);
    expect(table.valueOf(FORMS.subject, 'x')).toBe(9);
    expect(table.size).toBe(5);
    table.prune(LATER + BUCKET_MS);
    expect(table.size).toBe(0);
  });

  it.each([
    [-1, 0],
    [Number.NaN, 0],
    [1.9, 1],
    [2 ** 32 - 1, 2 ** 32 - 1],
    [2 ** 32, 2 ** 32],
    [2 ** 48 - 1, 2 ** 48 - 1],
    [2 ** 48, 2 ** 48 - 1],
    [Infinity, 2 ** 48 - 1],
  ])('keeps the number %d as %d', (given, kept) => {
    const table = new RevocationTable();
    table.put(entry('a', { form: FORMS.subject, revokeTime: given, expireTime: given, value: given }), -1);
    expect(liveOf(table, -1)).toEqual([
      entry('a', { form: FORMS.subject, revokeTime: kept, expireTime: kept, value: kept }),
    ]);
  });

  it('deletes a bounded number at a time, and neither lists nor merges the expired ones meanwhile', () => {
    const table = new RevocationTable();
    const all = names(2 * MAX_PRUNED + 1);
    for (const name of all) table.put(entry(name), NOW);
    const horizon = LATER + BUCKET_MS;
    const sizes = [1, 2, 3].map(() => {
      table.prune(horizon);
      expect(liveOf(table, horizon)).toEqual([]);
      return table.size;
    });
    expect(sizes).toEqual([MAX_PRUNED + 1, 1, 0]);
    expect(table.pageCount).toBe(0);
    const again = { form: FORMS.session, expireTime: horizon + 1 };
    table.put(entry('again', { ...again, value: 5, expireTime: horizon }), NOW);
    expect(table.put(entry('again', { ...again, value: 7 }), horizon)).toBe(true);
    expect(table.valueOf(FORMS.session, uuidOf('again'))).toBe(7);
  });

  it('deletes an entry whose expiry was raised by its new one', () => {
    const table = new RevocationTable();
    table.put(entry('a'), NOW);
    table.put(entry('a', { expireTime: LATER + 5 * BUCKET_MS }), NOW);
    table.prune(LATER + 5 * BUCKET_MS - 1);
    expect(table.has(FORMS.token, uuidOf('a'))).toBe(true);
    table.prune(LATER + 6 * BUCKET_MS);
    expect(table.size).toBe(0);
  });

  it('reuses the rows of what was deleted', () => {
    const table = new RevocationTable();
    table.put(entry('stays', { expireTime: LATER + 100 * BUCKET_MS }), NOW);
    for (let round = 1; round <= 20; round += 1) {
      const expireTime = LATER + round * BUCKET_MS;
      for (const name of names(PAGE_ROWS)) table.put(entry(`${round} ${name}`, { expireTime }), NOW);
      table.prune(expireTime + BUCKET_MS);
      expect(table.size).toBe(1);
    }
    expect(table.pageCount).toBe(2);
    expect(liveOf(table)).toHaveLength(1);
  });

  it('changes the version of a page with everything that comes, changes and goes on it, and of no other', () => {
    const table = new RevocationTable();
    for (const name of names(2 * PAGE_ROWS)) table.put(entry(name), NOW);
    const versions = () => [table.versionOf(0), table.versionOf(1)];
    const [first, second] = versions();
    table.put(entry('0'), NOW);
    expect(versions()).toEqual([first, second]);
    table.put(entry('0', { expireTime: LATER + 1 }), NOW);
    expect(table.versionOf(0)).not.toBe(first);
    expect(table.versionOf(1)).toBe(second);
    table.prune(LATER + 2 * BUCKET_MS);
    expect(table.versionOf(1)).not.toBe(second);
  });
});
