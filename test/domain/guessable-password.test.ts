// Which passwords are within reach of guessing, and which are not: both ways, by lists.

import { assert, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commonPasswords } from '../../src/crypto/hashing/common-passwords.ts';
import { isGuessable } from '../../src/domain/password/guessable-password.ts';
import { passwordViolations } from '../../src/domain/password/password-policy.ts';

const common = commonPasswords();
const unnamed = { email: 'somebody@example.com', username: undefined, fullName: '' };
const violations = (password: string) =>
  passwordViolations('nist', common, 'password', password, unnamed).map(({ description }) => description);

/** Of 15 and more characters, which the length alone would let pass. */
const GUESSABLE: Readonly<Record<string, readonly string[]>> = {
  repeats: [
    'aaaaaaaaaaaaaaa',
    '111111111111111',
    'abcabcabcabcabc',
    'abababababababab',
    'aaaabbbbccccdddd',
    'testtesttesttest',
    'qwertyqwertyqwerty',
    '               ',
    'xyzzy-xyzzy-xyzzy',
    'ab'.repeat(64),
    'a'.repeat(128),
  ],
  sequences: [
    'abcdefghijklmno',
    'ABCDEFGHIJKLMNOP',
    'zyxwvutsrqponml',
    '123456789012345',
    '987654321987654',
    '0123456789012345',
    'a1b2c3d4e5f6g7h8',
    'aabbccddeeffgghh',
    'абвгдежзийклмноп',
    'janfebmaraprmay',
    'mondaytuesdaywednesday',
    'onetwothreefourfive',
  ],
  'keyboard walks': [
    'qwertyuiopasdfg',
    'asdfghjklqwertyuiop',
    'zxcvbnmasdfghjkl',
    'poiuytrewqlkjhgf',
    '1qaz2wsx3edc4rfv',
    'qazwsxedcrfvtgb',
    '1q2w3e4r5t6y7u8i',
    '!@#$%^&*()_+!@#',
    'qwertzuiopasdfgh',
    'azertyuiopqsdfgh',
    'aoeuidhtnsaoeuid',
    'йцукенгшщзхъфыва',
  ],
  'common passwords, several or with a number': [
    'passwordpassword',
    'PasswordPassword1!',
    'P@ssw0rdP@ssw0rd',
    'password1234567',
    'password20242024',
    'passwordpassword2024',
    'Password12345678!',
    'iloveyouiloveyou',
    'letmeinletmein1',
    'letmein2023letmein',
    'monkeymonkeymonkey',
    'superman123456789',
    'trustno1trustno1',
    'welcomewelcome1',
    'summer2024summer2024',
    'qwerty123456789',
  ],
};

describe.each(Object.entries(GUESSABLE))('%s', (_kind, passwords) => {
  it.each(passwords)('%s is refused', (password) => {
    expect(violations(password).join()).toMatch(/must not be (?:a common password|built of)/);
  });
});

it.each([
  'correct horse battery staple',
  'velvet otter paints the moon',
  'my cat eats purple lamps',
  'three green doors sing low',
  'the rain in Spain stays mainly',
  'zebra zebra lampshade nine',
  'blue horse 1987 river',
  'we like big yellow cats',
  'I once ate nine cold plums',
  'Wir fahren morgen nach Lindau',
  'das blaue Pferd trinkt Tee',
  'la lune danse sur le toit',
  'кошка пьет молоко ночью',
  'شیر سفید روی میز است',
  '山の上で猫が静かに雨を見ている',
  'Correct-Horse-42-Staple!',
  'Quartz-Loom-77-Vortex?',
  'vR8#kq2!Lm9@xT4',
  'k3jd-92hf-p0wq-77xz',
  '4f9c1e7a20b85d63',
])('%s is not', (password) => {
  expect(violations(password)).toEqual([]);
});

it('a password of any text is judged, in whatever case and script', () => {
  assert(
    property(string({ unit: 'grapheme', maxLength: 128 }), (text) => {
      expect(typeof isGuessable(common, text.toLowerCase())).toBe('boolean');
      expect(isGuessable(common, '')).toBe(true);
    }),
    { numRuns: 50 },
  );
});

it('more of the same makes no password better', () => {
  for (const passwords of Object.values(GUESSABLE))
    for (const password of passwords.filter(({ length }) => length < 40))
      expect(isGuessable(common, password.toLowerCase().repeat(3))).toBe(true);
});
