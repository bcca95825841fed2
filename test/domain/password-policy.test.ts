// Holds both password policies: each rule alone, all of them at once, and the list of common passwords.

import { dictionary } from '@zxcvbn-ts/language-common';
import { describe, expect, it } from 'vitest';

import { commonPasswords } from '../../src/crypto/hashing/common-passwords.ts';
import { newPassword } from '../../src/crypto/ids.ts';
import {
  passwordViolations,
  readPassword,
  type PasswordOwner,
} from '../../src/domain/password/password-policy.ts';

const common = commonPasswords();
const owner: PasswordOwner = {
  email: 'grace.hopper@example.com',
  username: 'amazing-grace',
  fullName: 'Grace Hopper',
};
const GOOD = 'Vex7!quartz-Loom';

const broken = (policy: 'strict' | 'nist', password: string, of = owner) =>
  passwordViolations(policy, common, 'password', password, of).map(({ description }) => description);

describe('the strict policy', () => {
  it.each([GOOD, 'Ünïcödé-pässwörd-7', 'ЖЁЛТЫЙ-лимон-42', 'quvexloomblA1 ', newPassword()])(
    'lets %s be chosen',
    (password) => {
      expect(broken('strict', password)).toEqual([]);
    },
  );

  it.each([
    ['vex7!quartz-loom', 'must hold an upper-case letter'],
    ['VEX7!QUARTZ-LOOM', 'must hold a lower-case letter'],
    ['Vexx!quartz-Loom', 'must hold a digit'],
    ['Vex7xquartzxLoom', 'must hold a special character'],
    ['Vex7!quartz', 'must have at least 12 characters'],
    [`Vex7!${'q'.repeat(124)}`, 'must have at most 128 characters'],
    ['Password123!', 'must not be a common password'],
  ])('refuses %s: it %s', (password, rule) => {
    expect(broken('strict', password)).toEqual([rule]);
  });

  it('reports every rule at once, each for the field', () => {
    expect(broken('strict', '')).toHaveLength(5);
    expect(passwordViolations('strict', common, 'new_password', 'password', owner)).toEqual(
      [
        'must have at least 12 characters',
        'must hold an upper-case letter',
        'must hold a digit',
        'must hold a special character',
        'must not be a common password',
      ].map((description) => ({ field: 'new_password', description })),
    );
  });

  it('counts code points', () => {
    const signs = (count: number) =>
      Array.from({ length: count }, (_, index) => String.fromCodePoint(0x1f300 + ((index * 97) % 251))).join(
        '',
      );
    expect(broken('strict', `Aa1${signs(8)}`)).toEqual(['must have at least 12 characters']);
    expect(broken('strict', `Aa1${signs(9)}`)).toEqual([]);
    expect(broken('strict', `Aa1${signs(125)}`)).toEqual([]);
  });
});

describe('the nist policy', () => {
  it('asks for length and for nothing of composition', () => {
    expect(broken('nist', 'all lower case words')).toEqual([]);
    expect(broken('nist', 'quartz vex loom')).toEqual([]);
    expect(broken('nist', 'quartz vex loo')).toEqual(['must have at least 15 characters']);
    expect(broken('nist', 'q'.repeat(129))).toEqual(['must have at most 128 characters']);
  });

  it('refuses the common ones, whatever stands around them', () => {
    for (const password of ['password', 'PASSWORD', '1password1', '!!!letmein!!!', 'Qwertyuiop']) {
      expect(broken('nist', password)).toContain('must not be a common password');
    }
  });
});

describe.each(['strict', 'nist'] as const)('the %s policy', (policy) => {
  const rule = 'must not be built on your own e-mail address or name';

  it.each([
    'Grace.Hopper@Example.com1!',
    'grace.hopper-1!A',
    'Amazing-Grace-7!',
    'Grace Hopper 1!',
    'GraceHopper2026!',
    '12!Hopper!12A',
  ])("refuses %s, one's own name", (password) => {
    expect(broken(policy, password)).toContain(rule);
  });

  it.each([GOOD, 'Hopper likes 7 quartz looms!', 'Xgrac1!xxxxxxxx'])('lets %s be', (password) => {
    expect(broken(policy, password)).toEqual([]);
  });

  it('minds no name that is too short to matter, or not there', () => {
    const unnamed = { email: 'al@example.com', username: undefined, fullName: 'Al  Bo' };
    expect(broken(policy, 'Al7!Bo-quartz-loom', unnamed)).toEqual([]);
    expect(broken(policy, GOOD, { ...unnamed, fullName: '' })).toEqual([]);
  });
});

describe('reading a password', () => {
  it('normalizes, so that every keyboard types the same one', () => {
    expect(readPassword('password', 'pässword'.normalize('NFD'))).toEqual({ text: 'pässword' });
  });

  it.each(['', 'a\u0000b', 'a\nb', '\uD800', 'x'.repeat(129), 'x'.repeat(5_000_000)])(
    'refuses %.8j',
    (raw) => {
      expect(readPassword('password', raw)).toHaveProperty('violation.field', 'password');
    },
  );
});

it('the list of common passwords is long, and knows each by its lower case', () => {
  const words = dictionary['passwords-common'].map((password) => password.toLowerCase());
  expect(new Set(words).size).toBeGreaterThan(40_000);
  expect(words.filter((word) => !common.has(word))).toEqual([]);
  expect(common.get('password')).toBe(words.indexOf('password') + 1);
});
