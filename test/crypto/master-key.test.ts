// Holds the master key: what it seals opens unchanged, for the same purpose and context alone; its derived keys follow RFC 5869.

import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MASTER_KEY_LENGTH, MasterKey, UnsealError } from '../../src/crypto/keys/master-key.ts';

const secret = (byte: number) => new Uint8Array(MASTER_KEY_LENGTH).fill(byte);
const key = new MasterKey(secret(1));

describe('sealing', () => {
  it('opens to what went in', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.uint8Array({ maxLength: 4_096 }), (purpose, context, data) => {
        const sealed = key.seal(purpose, context, data);
        expect(new MasterKey(secret(1)).unseal(purpose, context, sealed)).toEqual(data);
      }),
    );
  });

  it('never gives the same text twice', () => {
    const data = Buffer.from('the same');
    const sealed = Array.from({ length: 1_000 }, () =>
      Buffer.from(key.seal('p', 'c', data)).toString('base64'),
    );
    expect(new Set(sealed).size).toBe(1_000);
  });

  it('opens under no other key, purpose or context', () => {
    const sealed = key.seal('totp', 'user-1', Buffer.from('secret'));
    const attempts = [
      () => new MasterKey(secret(2)).unseal('totp', 'user-1', sealed),
      () => key.unseal('signing-key', 'user-1', sealed),
      () => key.unseal('totp', 'user-2', sealed),
      () => key.unseal('totp', '', sealed),
    ];
    for (const attempt of attempts) expect(attempt).toThrow(UnsealError);
  });

  it('refuses every single flipped bit', () => {
    const sealed = key.seal('totp', 'user-1', Buffer.from('a secret of some bytes'));
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const altered = sealed.slice();
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => key.unseal('totp', 'user-1', altered)).toThrow(UnsealError);
    }
    expect(Buffer.from(key.unseal('totp', 'user-1', sealed)).toString()).toBe('a secret of some bytes');
  });

  it('refuses every truncation, and anything added', () => {
    const sealed = key.seal('totp', 'user-1', Buffer.from('secret'));
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => key.unseal('totp', 'user-1', sealed.subarray(0, length))).toThrow(UnsealError);
    }
    expect(() => key.unseal('totp', 'user-1', Buffer.concat([sealed, Buffer.of(0)]))).toThrow(UnsealError);
  });

  it('refuses any other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => key.unseal('p', 'c', bytes)).toThrow(UnsealError);
      }),
    );
  });

  it('does not show what it holds', () => {
    const plain = Buffer.from('plain text that must not be seen');
    expect(Buffer.from(key.seal('p', 'c', plain)).includes(plain)).toBe(false);
  });
});

describe('a master key', () => {
  it.each([0, 16, 31, 33, 64])('does not have %d bytes', (length) => {
    expect(() => new MasterKey(new Uint8Array(length))).toThrow(RangeError);
  });

  it('is identified by an id that is not the key', () => {
    expect(key.id).toEqual(new MasterKey(secret(1)).id);
    expect(key.id).not.toEqual(new MasterKey(secret(2)).id);
    expect(Buffer.from(secret(1)).includes(key.id)).toBe(false);
  });

  it('derives another key for each purpose and from each master key', () => {
    const purposes = ['refresh-token', 'page-token', 'key-id', 'seal/totp', 'seal/signing-key', ''];
    const derived = [key, new MasterKey(secret(2))].flatMap((master) =>
      purposes.map((purpose) => Buffer.from(master.derive(purpose)).toString('hex')),
    );
    expect(new Set(derived).size).toBe(purposes.length * 2);
    expect(derived.every((hex) => hex.length === 64)).toBe(true);
  });
});

/** RFC 5869, section 2 by the book: extract, then expand. */
function hkdf(ikm: Buffer, salt: Buffer, info: Buffer, length: number): Buffer {
  const pseudoRandomKey = createHmac('sha256', salt).update(ikm).digest();
  let block = Buffer.alloc(0);
  let output = Buffer.alloc(0);
  for (let counter = 1; output.length < length; counter += 1) {
    block = createHmac('sha256', pseudoRandomKey)
      .update(Buffer.concat([block, info, Buffer.of(counter)]))
      .digest();
    output = Buffer.concat([output, block]);
  }
  return output.subarray(0, length);
}

describe('HKDF', () => {
  const hex = (text: string) => Buffer.from(text, 'hex');

  it('gives the vectors of RFC 5869, appendix A.1 and A.3', () => {
    const ikm = Buffer.alloc(22, 0x0b);
    expect(hkdf(ikm, hex('000102030405060708090a0b0c'), hex('f0f1f2f3f4f5f6f7f8f9'), 42)).toEqual(
      hex('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865'),
    );
    expect(hkdf(ikm, Buffer.alloc(0), Buffer.alloc(0), 42)).toEqual(
      hex('8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8'),
    );
  });

  it('is what keys are derived by', () => {
    const expected = hkdf(
      Buffer.from(secret(7)),
      Buffer.alloc(0),
      Buffer.from('latchkey/v1/refresh-token'),
      32,
    );
    expect(Buffer.from(new MasterKey(secret(7)).derive('refresh-token'))).toEqual(expected);
  });
});
