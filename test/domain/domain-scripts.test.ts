// Domains of addresses whose letters pass for others: a label that mixes scripts is refused, one that scripts share is not.

import { expect, it } from 'vitest';
import { emailAddress } from '../../src/domain/account/email-address.ts';
import { parseAddress } from '../../src/mail/address-parser.ts';

const read = (address: string) => emailAddress(parseAddress, 'email', address);

it.each([
  ['Cyrillic а among Latin', 'a@p\u0430ypal.example'],
  ['Latin among Cyrillic', 'a@пpимер.example'],
  ['Greek ο among Latin', 'a@g\u03BFogle.example'],
  ['in the last label', 'a@example.c\u043Em'],
  ['Armenian among Latin', 'a@\u0566eta.example'],
  ['of a script that is not in common use', 'a@\u13A0\u13B3\u13A9.example'],
])('refuses %s', (_what, address) => {
  expect(read(address)).toMatchObject({
    violation: { field: 'email', description: expect.stringContaining('must not mix scripts') as string },
  });
});

it.each([
  'a@пример.example',
  'a@почта-2.рф',
  'a@παράδειγμα.gr',
  'a@例え-テスト.jp',
  'a@seoul서울.kr',
  'a@bücher.de',
  'a@मेल.भारत',
  'a@مثال.example',
  // As the DNS has it: shown as it is.
  'a@xn--pypal-4ve.example',
])('takes %s', (address) => {
  expect(read(address)).toHaveProperty('address');
});
