// Device tokens: what they say comes back, and nothing else is one.

import { randomBytes } from 'node:crypto';
import { assert as holds, constantFrom, integer, nat, property, record, uuid } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceTokenCodec } from '../../src/crypto/tokens/device-token-codec.ts';
import { sessionCookieCodec } from '../../src/crypto/tokens/session-cookie-codec.ts';

const key = randomBytes(32);
const codec = deviceTokenCodec(key);
const content = record({
  userId: uuid(),
  deviceId: uuid(),
  epoch: integer({ min: 0, max: 2 ** 31 - 1 }),
  issueTime: integer({ min: 0, max: 2 ** 48 - 1 }),
});

describe('a device token', () => {
  it('says what was written into it', () => {
    holds(
      property(content, (written) => {
        expect(codec.read(codec.write(written))).toEqual(written);
      }),
    );
  });

  it('is none with any character changed, cut or added, or under another key', () => {
    holds(
      property(content, nat(), constantFrom('A', 'z', '_', '='), (written, place, character) => {
        const token = codec.write(written);
        const at = place % token.length;
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        if (changed !== token) expect(codec.read(changed)).toBeUndefined();
        for (const other of [token.slice(0, -1), token + character, ` ${token}`])
          expect(codec.read(other)).toBeUndefined();
        expect(deviceTokenCodec(randomBytes(32)).read(token)).toBeUndefined();
      }),
    );
  });

  it('is no session cookie, even under the same key', () => {
    const cookie = sessionCookieCodec(key).write({ sessionId: crypto.randomUUID(), salt: randomBytes(16) });
    for (const text of [cookie, cookie.replace('lksc_', 'lkdt_'), '', 'lkdt_'])
      expect(codec.read(text)).toBeUndefined();
  });
});
