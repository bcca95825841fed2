// Holds the keyring: one key seals, either opens what it has sealed itself.

import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { Keyring } from '../../src/crypto/keys/keyring.ts';
import { MasterKey, UnsealError } from '../../src/crypto/keys/master-key.ts';
import { pageTokenCodec } from '../../src/crypto/tokens/page-token-codec.ts';
import { watchCursorCodec } from '../../src/crypto/tokens/cursor-codecs.ts';

const [old, next, other] = Array.from({ length: 3 }, () => new MasterKey(randomBytes(32))) as [
  MasterKey,
  MasterKey,
  MasterKey,
];
const DATA = Buffer.from('secret');

it('seals by the first key, and opens by the one that has sealed', () => {
  const ring = new Keyring(next, old);
  const sealed = ring.seal('p', 'c', DATA);
  expect(Buffer.from(next.unseal('p', 'c', sealed))).toEqual(DATA);
  expect(() => old.unseal('p', 'c', sealed)).toThrow(UnsealError);
  for (const by of [old, next]) {
    const value = by.seal('p', 'c', DATA);
    expect(Buffer.from(ring.unseal('p', 'c', value))).toEqual(DATA);
    expect(ring.keyOf(value)).toBe(by);
    expect(() => ring.unseal('p', 'other', value)).toThrow(UnsealError);
  }
  expect(() => ring.unseal('p', 'c', other.seal('p', 'c', DATA))).toThrow(UnsealError);
  expect(() => new Keyring(next).unseal('p', 'c', old.seal('p', 'c', DATA))).toThrow(UnsealError);
});

it('opens nothing because it says that a key has sealed it', () => {
  const ring = new Keyring(next, old);
  const sealed = Buffer.from(old.seal('p', 'c', DATA));
  next.id.copy(sealed, 1);
  expect(() => ring.unseal('p', 'c', sealed)).toThrow(UnsealError);
  for (const bytes of [new Uint8Array(), Buffer.of(1), sealed.subarray(0, 9)])
    expect(() => ring.unseal('p', 'c', bytes)).toThrow(UnsealError);
});

it('lets page tokens and cursors go on across the change', () => {
  const [before, during, after] = [new Keyring(old, next), new Keyring(next, old), new Keyring(next)];
  const token = pageTokenCodec(before).write('q', { id: 1 });
  expect(pageTokenCodec(during).read('q', token)).toEqual({ id: 1 });
  expect(pageTokenCodec(after).read('q', token)).toBeUndefined();
  expect(pageTokenCodec(before).read('q', pageTokenCodec(during).write('q', 2))).toBe(2);
  const cursor = { position: '7', time: 5 };
  expect(watchCursorCodec(during).read(watchCursorCodec(before).write(cursor))).toEqual(cursor);
  expect(watchCursorCodec(before).read(watchCursorCodec(during).write(cursor))).toEqual(cursor);
});
