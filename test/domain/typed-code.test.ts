// Codes as people type them: every spelling is one code, and nothing else is a code.

import { assert, constantFrom, property, string, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BACKUP_CODE_ALPHABET } from '../../src/domain/mfa/backup-code.ts';
import { readBackupCode, readTotpCode } from '../../src/domain/mfa/typed-code.ts';
import { Violations } from '../../src/domain/text.ts';

type Read = typeof readTotpCode;

function outcome(read: Read, raw: string): string | undefined {
  const violations = new Violations();
  const code = read(violations, 'code', raw);
  expect(violations.list.every(({ field }) => field === 'code')).toBe(true);
  expect(violations.list.length).toBeLessThanOrEqual(1);
  return violations.list.length === 0 ? code : undefined;
}

const HOSTILE = [
  '',
  ' ',
  '\u0000',
  '123\u200B456',
  '123456\n',
  '\uD800',
  '1'.repeat(65),
  '1'.repeat(1_000_000),
  'ﷺ'.repeat(64),
  'e\u0301'.repeat(300),
  "' or 1=1 --",
];

describe('a code of an authenticator app', () => {
  it.each(['123456', '123 456', ' 1 2 3 4 5 6 ', '１２３４５６', '１２３　４５６', '123\u00A0456'])(
    'is read from %j',
    (raw) => {
      expect(outcome(readTotpCode, raw)).toBe('123456');
    },
  );

  it.each([
    ...HOSTILE,
    '12345',
    '1234567',
    '12345a',
    '123-456',
    '١٢٣٤٥٦',
    '१२३४५६',
    '1e5',
    '-12345',
    '0x1234',
    '12.456',
  ])('is not %j', (raw) => {
    expect(outcome(readTotpCode, raw)).toBeUndefined();
  });
});

describe('a backup code', () => {
  it.each([
    'ABC01-1Z9XY',
    'abc01-1z9xy',
    'ABC011Z9XY',
    'abco1-lz9xy',
    'ABCoI-iZ9XY',
    'ABCOL 1Z9XY',
    ' a b c 0 1 - 1 z 9 x y ',
    'ＡＢＣ０１－１Ｚ９ＸＹ',
    'ABC01–1Z9XY',
    'ABC01\u20111Z9XY',
    '--ABC01--1Z9XY--',
  ])('is read from %j', (raw) => {
    expect(outcome(readBackupCode, raw)).toBe('ABC011Z9XY');
  });

  it.each([
    ...HOSTILE,
    'ABC01-1Z9X',
    'ABC01-1Z9XYZ',
    'ABC01-1Z9XU',
    'ABC01_1Z9XY',
    'ÄBC01-1Z9XY',
    '----------',
  ])('is not %j', (raw) => {
    expect(outcome(readBackupCode, raw)).toBeUndefined();
  });

  it('has one spelling, whatever was typed', () => {
    const character = constantFrom(...Array.from(BACKUP_CODE_ALPHABET));
    const code = string({ unit: character, minLength: 10, maxLength: 10 });
    const spelling = constantFrom<(text: string) => string>(
      (text) => text.toLowerCase(),
      (text) => text.replaceAll('0', 'O'),
      (text) => text.replaceAll('1', 'l'),
      (text) => text.replaceAll('1', 'i'),
      (text) => `${text.slice(0, 5)}-${text.slice(5)}`,
      (text) => text.split('').join(' '),
    );
    assert(
      property(tuple(code, spelling, spelling), ([text, first, second]) => {
        expect(outcome(readBackupCode, second(first(text)))).toBe(text);
      }),
    );
  });

  it('is, of any text, one that could have been handed out', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 64 }), (raw) => {
        expect(outcome(readBackupCode, raw) ?? '0123456789').toMatch(/^[0-9A-HJKMNP-TV-Z]{10}$/);
      }),
    );
  });
});
