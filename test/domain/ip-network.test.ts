// Holds addresses and networks against Node's own reading of them, and against what people write by mistake or on purpose.

import { BlockList, isIP } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatNetwork, isWithin, parseAddress, parseNetwork } from '../../src/domain/network/ip-network.ts';
import { MAX_NETWORKS, readNetworks } from '../../src/domain/network/read-networks.ts';
import { Violations } from '../../src/domain/text.ts';

const anyV6 = fc.oneof(
  fc.ipV6(),
  // Many zeros, so that some runs are long and some are not.
  fc
    .array(fc.constantFrom('0', '0', '1', 'ffff', '00a0'), { minLength: 8, maxLength: 8 })
    .map((groups) => groups.join(':')),
);
const isMapped = (text: string) => new URL(`http://[${text}]`).hostname.startsWith('[::ffff:');

function within(address: string, network: string): boolean {
  const [parsed, read] = [parseAddress(address), parseNetwork(network)];
  if (parsed === undefined || read === undefined) throw new Error(`${address} or ${network} is none`);
  return isWithin(parsed, read.network);
}

describe('an address', () => {
  it('is what Node takes for one', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom('0', '1', '2', '7', 'a', 'f', ':', '.') }),
      fc.string({ unit: fc.constantFrom('::', ':', '1', 'ffff', '1.2.3.4', '.', '0') }),
    );
    fc.assert(
      fc.property(text, (address) => {
        expect(parseAddress(address) !== undefined).toBe(isIP(address) !== 0);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '0x7f.0.0.1',
    '127.1',
    '1.2.3.4 ',
    '１.2.3.4',
  ])('is not %j', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it.each([
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    'g::',
    '12345::',
    '::1.2.3',
  ])('is not %j', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it('is the IPv4 address when it is one inside IPv6', () => {
    for (const text of [
      '::ffff:10.1.2.3',
      '::FFFF:a01:203',
      '0:0:0:0:0:ffff:a01:203',
      '::ffff:10.1.2.3%eth0',
    ])
      expect(parseAddress(text)).toEqual(parseAddress('10.1.2.3'));
    expect(parseAddress('::10.1.2.3')).not.toEqual(parseAddress('10.1.2.3'));
  });
});

describe('a network', () => {
  it('holds what Node says it holds', () => {
    const v4 = fc.tuple(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.constant('ipv4' as const));
    const v6 = fc.tuple(anyV6, anyV6, fc.integer({ min: 0, max: 128 }), fc.constant('ipv6' as const));
    fc.assert(
      fc.property(fc.oneof(v4, v6), ([base, address, prefix, family]) => {
        fc.pre(family === 'ipv4' || (!isMapped(base) && !isMapped(address)));
        const list = new BlockList();
        list.addSubnet(base, prefix, family);
        const network = `${base}/${prefix}`;
        expect(within(address, network)).toBe(list.check(address, family));
        expect(within(base, network)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('has one spelling, that of URLs and RFC 5952, and comes back from it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), anyV6), (address) => {
        fc.pre(!address.includes(':') || !isMapped(address));
        const read = parseNetwork(address);
        if (read === undefined) throw new Error(`${address} is none`);
        const text = formatNetwork(read.network);
        const host = address.includes(':') ? `[${address}]` : address;
        expect(text.replace(/\/\d+$/, '')).toBe(new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, ''));
        expect(parseNetwork(text)).toEqual(read);
      }),
      { numRuns: 1_000 },
    );
  });

  it('of IPv6 holds no IPv4 address, and the other way round', () => {
    expect(within('::ffff:10.0.0.1', '::/0')).toBe(false);
    expect(within('10.0.0.1', '::/0')).toBe(false);
    expect(within('2001:db8::1', '0.0.0.0/0')).toBe(false);
    expect(within('::ffff:10.0.0.1', '10.0.0.0/8')).toBe(true);
    expect(within('10.0.0.1', '::ffff:10.0.0.0/104')).toBe(true);
    expect(within('11.0.0.1', '::ffff:10.0.0.0/104')).toBe(false);
  });

  it.each([
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/1e1',
    '::/129',
    '/8',
    'fe80::1%eth0',
  ])('is not %j', (text) => {
    expect(parseNetwork(text)).toBeUndefined();
  });
});

describe('a list of networks', () => {
  const read = (raw: readonly string[]) => {
    const violations = new Violations();
    const networks = readNetworks(violations, 'cidrs', raw);
    return { networks, faults: violations.list.map(({ field, description }) => `${field} ${description}`) };
  };

  it('is spelled in one way, without repeats', () => {
    const raw = [
      '10.0.0.0/8',
      '192.0.2.7',
      '2001:DB8:0:0::/32',
      '::ffff:192.0.2.7',
      '2001:db8::/32',
      '0.0.0.0/0',
    ];
    expect(read(raw)).toEqual({
      networks: ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32', '0.0.0.0/0'],
      faults: [],
    });
  });

  it('names each that is none, and the network that host bits may have meant', () => {
    expect(
      read(['10.0.0.5/8', '10.0.0.0/8', 'localhost', '1'.repeat(100_000), '2001:db8::1/64']).faults,
    ).toEqual([
      'cidrs[0] must not have bits set behind its prefix; the network is 10.0.0.0/8',
      'cidrs[2] must be an IP address or a network like 10.0.0.0/8 or 2001:db8::/32',
      'cidrs[3] must be an IP address or a network like 10.0.0.0/8 or 2001:db8::/32',
      'cidrs[4] must not have bits set behind its prefix; the network is 2001:db8::/64',
    ]);
  });

  it(`holds at most ${MAX_NETWORKS}`, () => {
    const many = (count: number) => Array.from({ length: count }, (_item, index) => `10.0.${index}.0/24`);
    expect(read(many(MAX_NETWORKS)).faults).toEqual([]);
    expect(read(many(MAX_NETWORKS + 1)).faults).toEqual([`cidrs must hold at most ${MAX_NETWORKS} networks`]);
  });
});
