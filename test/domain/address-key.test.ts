// What a caller is counted by: one subscriber is one caller, however many addresses and spellings he has.

import { expect, it } from 'vitest';
import { addressKey } from '../../src/domain/limits/address-key.ts';

it.each([
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['::FFFF:cb00:7109', '203.0.113.9'],
  ['0:0:0:0:0:ffff:203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:3:4:5.6.7.8', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::9', '2001:db8:1:3::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['1::2:3:4:5:6:7', '1:0:2:3::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['fe80::2%eth1', 'fe80:0:0:0::/64'],
  ['::1:ffff:203.0.113.9', '0:0:0:0::/64'],
  ['', 'unknown'],
  ['unix:/run/latchkey.sock', 'unknown'],
  ['203.0.113.999', 'unknown'],
  ['x'.repeat(10_000), 'unknown'],
])('%j counts as %s', (address, key) => {
  expect(addressKey(address)).toBe(key);
});
