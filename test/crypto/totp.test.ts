// One-time codes against RFC 6238, sealed secrets, and backup codes.

import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { backupCodes } from '../../src/crypto/tokens/backup-codes.ts';
import { MasterKey, UnsealError } from '../../src/crypto/keys/master-key.ts';
import { totp, totpSecrets } from '../../src/crypto/tokens/totp.ts';

// '12345678901234567890', the seed of RFC 6238, appendix B.
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const STEP_MS = 30_000;
const USER = '0198c0de-0000-7000-8000-000000000001';
const OTHER = '0198c0de-0000-7000-8000-000000000002';

describe('time-based codes', () => {
  // Appendix B, SHA-1; six digits are the last six of its eight.
  it.each([
    [59, '94287082'],
    [1_111_111_109, '07081804'],
    [1_111_111_111, '14050471'],
    [1_234_567_890, '89005924'],
    [2_000_000_000, '69279037'],
    [20_000_000_000, '65353130'],
  ])('at %i s are those of RFC 6238', (seconds, digits) => {
    const step = Math.floor(seconds / 30);
    expect(totp.matchedStep(SECRET, digits.slice(2), seconds * 1_000)).toBe(step);
  });

  it('are taken one step early and one late, at every point of the step', () => {
    const step = 37_037_036;
    const code = '050471';
    const begin = step * STEP_MS;
    for (const inside of [begin - STEP_MS, begin - 1, begin, begin + 1, begin + 2 * STEP_MS - 1])
      expect(totp.matchedStep(SECRET, code, inside + STEP_MS)).toBe(step + 1);
    for (const outside of [begin - STEP_MS - 1, begin + 2 * STEP_MS])
      expect(totp.matchedStep(SECRET, code, outside + STEP_MS)).toBeUndefined();
  });

  it.each(['', '05047', '0050471', '05047a', '05 0471', ' 050471', '050471\n', '-50471', '٠٥٠٤٧١', '0x1234'])(
    'are not matched by %j',
    (code) => {
      expect(totp.matchedStep(SECRET, code, 1_111_111_111_000)).toBeUndefined();
    },
  );

  it('have secrets of 160 bits, each another', () => {
    const secrets = Array.from({ length: 100 }, () => totp.newSecret());
    for (const secret of secrets) expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(new Set(secrets).size).toBe(100);
  });

  it.each([
    ['id.example.com', 'ada@example.com', '/id.example.com:ada@example.com'],
    ['Latch key', 'a+b&c=d?#%/@example.com', '/Latch key:a+b&c=d?#%/@example.com'],
    ['[::1]', '"a:b"@example.com', '/[..1]:"a.b"@example.com'],
    ['latchkey', '李@例え.jp', '/latchkey:李@例え.jp'],
  ])('are told to apps as %s for %s', (issuer, account, path) => {
    const uri = new URL(totp.keyUri(SECRET, issuer, account));
    expect([uri.protocol, uri.host]).toEqual(['otpauth:', 'totp']);
    expect(decodeURIComponent(uri.pathname)).toBe(path);
    expect(uri.searchParams.get('secret')).toBe(SECRET);
    expect(uri.searchParams.get('issuer')).toBe(issuer.replaceAll(':', '.'));
  });
});

describe('a sealed secret', () => {
  const secrets = totpSecrets(new MasterKey(randomBytes(32)));

  it('opens for its user alone', () => {
    const sealed = secrets.seal(USER, SECRET);
    expect(Buffer.from(sealed).includes(SECRET)).toBe(false);
    expect(secrets.unseal(USER, sealed)).toBe(SECRET);
    expect(() => secrets.unseal(OTHER, sealed)).toThrow(UnsealError);
    expect(() => totpSecrets(new MasterKey(randomBytes(32))).unseal(USER, sealed)).toThrow(UnsealError);
  });

  it('never looks the same twice', () => {
    expect(secrets.seal(USER, SECRET)).not.toEqual(secrets.seal(USER, SECRET));
  });
});

describe('backup codes', () => {
  const masterKey = new MasterKey(randomBytes(32));
  const codes = backupCodes(masterKey.derive('backup-code'));

  it('are two groups of five without look-alikes, each another', () => {
    const texts = Array.from({ length: 1_000 }, () => codes.create(USER).text);
    for (const text of texts) expect(text).toMatch(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/);
    expect(new Set(texts).size).toBe(texts.length);
    expect(new Set(texts.join('').replaceAll('-', '')).size).toBe(32);
  });

  it('are known by a digest of the user, the code and the master key', () => {
    const { text, digest } = codes.create(USER);
    const code = text.replace('-', '');
    expect(Buffer.from(codes.digest(USER, code))).toEqual(Buffer.from(digest));
    expect(digest).toHaveLength(32);
    const others = [
      codes.digest(OTHER, code),
      codes.digest(USER, code.slice(1)),
      backupCodes(randomBytes(32)).digest(USER, code),
    ];
    for (const other of others) expect(Buffer.from(other)).not.toEqual(Buffer.from(digest));
  });
});
