// Holds refresh tokens, session cookies and API keys: they read back, have one spelling, and not one bit of them may change.

import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { apiKeyCodec as openApiKeyCodec } from '../../src/crypto/tokens/api-key-codec.ts';
import { newId } from '../../src/crypto/ids.ts';
import { refreshTokenCodec } from '../../src/crypto/tokens/refresh-token-codec.ts';
import { sessionCookieCodec } from '../../src/crypto/tokens/session-cookie-codec.ts';
import { SALT_LENGTH } from '../../src/domain/session/refresh-token.ts';
import { uuidFromBytes, uuidToBytes } from '../../src/crypto/uuid-bytes.ts';

const apiKeyCodec = openApiKeyCodec(new Uint8Array(32).fill(7));

const codec = refreshTokenCodec(randomBytes(32));

const content = { sessionId: newId(), generation: 7, salt: randomBytes(SALT_LENGTH) };

/** The texts that differ from `text` in one bit of what base64url spells, and in one bit of one character. */
function flipped(text: string, prefix: string): string[] {
  const bytes = Buffer.from(text.slice(prefix.length), 'base64url');
  const ofBytes = Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const altered = Buffer.from(bytes);
    altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return prefix + altered.toString('base64url');
  });
  const ofCharacters = Array.from({ length: text.length * 7 }, (_, bit) => {
    const index = Math.floor(bit / 7);
    const character = String.fromCodePoint((text.codePointAt(index) ?? 0) ^ (1 << (bit % 7)));
    return text.slice(0, index) + character + text.slice(index + 1);
  });
  return [...ofBytes, ...ofCharacters];
}

/** Texts that are near `text` and not it. */
function misspelt(text: string): string[] {
  const around = [`${text} `, ` ${text}`, `${text}\n`, `${text}=`, `${text}A`, text.slice(0, -1)];
  return [...around, text.toUpperCase(), text.slice(5), `Bearer ${text}`, '', text.slice(0, 5)];
}

describe('a refresh token', () => {
  it('says what was written, and is genuine for its own session alone', () => {
    const anyContent = fc.record({
      sessionId: fc.uuid(),
      generation: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      salt: fc.uint8Array({ minLength: SALT_LENGTH, maxLength: SALT_LENGTH }),
    });
    fc.assert(
      fc.property(anyContent, (written) => {
        const token = codec.write(written);
        expect(token).toMatch(/^lkrt_[A-Za-z0-9_-]{96}$/);
        expect(codec.read(token)).toEqual({ ...written, salt: Buffer.from(written.salt) });
        expect(codec.write(written)).toBe(token);
      }),
    );
  });

  it('is another one for another session, generation or salt, and none under another key', () => {
    const token = codec.write(content);
    const others = [
      { ...content, sessionId: newId() },
      { ...content, generation: 6 },
      { ...content, generation: 8 },
      { ...content, salt: randomBytes(SALT_LENGTH) },
    ];
    for (const other of others) expect(codec.write(other)).not.toBe(token);
    expect(refreshTokenCodec(randomBytes(32)).read(token)).toBeUndefined();
  });

  it('with any one bit flipped is none', () => {
    const passed = flipped(codec.write(content), 'lkrt_').filter((text) => codec.read(text) !== undefined);
    expect(passed).toEqual([]);
  });

  it('has one spelling', () => {
    for (const text of misspelt(codec.write(content))) expect(codec.read(text)).toBeUndefined();
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => codec.read(text) === undefined));
  });
});

describe('a session cookie', () => {
  const key = randomBytes(32);
  const cookies = sessionCookieCodec(key);
  const { sessionId, salt } = content;

  it('says what was written, and is genuine under its own key alone', () => {
    const cookie = cookies.write({ sessionId, salt });
    expect(cookie).toMatch(/^lksc_[A-Za-z0-9_-]{88}$/);
    expect(cookies.read(cookie)).toEqual({ sessionId, salt });
    expect(cookies.write({ sessionId: newId(), salt })).not.toBe(cookie);
    expect(cookies.write({ sessionId, salt: randomBytes(SALT_LENGTH) })).not.toBe(cookie);
    expect(sessionCookieCodec(randomBytes(32)).read(cookie)).toBeUndefined();
  });

  it('with any one bit flipped is none, and has one spelling', () => {
    const cookie = cookies.write({ sessionId, salt });
    const near = [...flipped(cookie, 'lksc_'), ...misspelt(cookie)];
    expect(near.filter((text) => cookies.read(text) !== undefined)).toEqual([]);
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => cookies.read(text) === undefined));
  });

  it('is no refresh token, nor is one a cookie, even under the same key', () => {
    const tokens = refreshTokenCodec(key);
    const [cookie, token] = [cookies.write({ sessionId, salt }), tokens.write(content)];
    for (const text of [cookie, `lkrt_${cookie.slice(5)}`]) expect(tokens.read(text)).toBeUndefined();
    for (const text of [token, `lksc_${token.slice(5)}`]) expect(cookies.read(text)).toBeUndefined();
  });
});

describe('an API key', () => {
  const { sameDigest } = apiKeyCodec;

  it('reads back as its id and the digest that is stored', () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        const { text, digest } = apiKeyCodec.create(id);
        expect(text).toMatch(/^lkak_[A-Za-z0-9_-]{76}$/);
        expect(apiKeyCodec.read(text)).toEqual({ id, digest, hasChecksum: true });
        const old = text.slice(0, 'lkak_'.length + 64);
        expect(apiKeyCodec.read(old)).toEqual({ id, digest, hasChecksum: false });
      }),
    );
  });

  it('is new each time, and its digest does not reveal it', () => {
    const keys = Array.from({ length: 1_000 }, () => apiKeyCodec.create(content.sessionId));
    expect(new Set(keys.map((key) => key.text)).size).toBe(1_000);
    const [{ text, digest } = { text: '', digest: new Uint8Array() }] = keys;
    expect(Buffer.from(text.slice(5), 'base64url').includes(digest)).toBe(false);
  });

  it('with any one bit flipped is none; of the old form, another key or one with another digest', () => {
    const { text, digest } = apiKeyCodec.create(content.sessionId);
    expect(flipped(text, 'lkak_').filter((altered) => apiKeyCodec.read(altered) !== undefined)).toEqual([]);
    const passed = flipped(text.slice(0, 'lkak_'.length + 64), 'lkak_').filter((altered) => {
      const read = apiKeyCodec.read(altered);
      return read?.id === content.sessionId && sameDigest(read.digest, digest);
    });
    expect(passed).toEqual([]);
  });

  it('of another installation is none', () => {
    const other = openApiKeyCodec(new Uint8Array(32).fill(8));
    expect(apiKeyCodec.read(other.create(content.sessionId).text)).toBeUndefined();
  });

  it('has one spelling, and a fingerprint for it alone', () => {
    const { text } = apiKeyCodec.create(content.sessionId);
    for (const other of misspelt(text)) {
      expect(apiKeyCodec.read(other)).toBeUndefined();
      expect(apiKeyCodec.fingerprint(other)).not.toBe(apiKeyCodec.fingerprint(text));
    }
    expect(apiKeyCodec.fingerprint(text)).not.toContain(text.slice(5));
  });

  it('compares digests of any length', () => {
    expect(sameDigest(Buffer.from('ab'), Buffer.from('ab'))).toBe(true);
    expect(sameDigest(Buffer.from('ab'), Buffer.from('ac'))).toBe(false);
    expect(sameDigest(Buffer.from('ab'), Buffer.from('abc'))).toBe(false);
    expect(sameDigest(new Uint8Array(), Buffer.from('a'))).toBe(false);
  });
});

describe('ids', () => {
  it('turn into bytes and back', () => {
    fc.assert(fc.property(fc.uuid(), (id) => uuidFromBytes(uuidToBytes(id)) === id));
  });

  it('are UUIDv7, unique and in order', () => {
    const ids = Array.from({ length: 10_000 }, () => newId());
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual(ids);
  });
});
