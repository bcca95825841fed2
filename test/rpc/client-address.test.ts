// Whose address a call comes from, and who is believed about it.

import { describe, expect, it } from 'vitest';
import { clientAddressBehind } from '../../src/edge/pipeline/client-address.ts';

const PROXIES = ['10.0.0.0/8', '192.0.2.7', 'fd00::/8'];

describe('without trusted proxies', () => {
  it.each(['203.0.113.9', '127.0.0.1', '::1'])('x-forwarded-for is not looked at: %s', (peer) => {
    expect(clientAddressBehind([])(peer, ['198.51.100.1', '127.0.0.1'])).toBe(peer);
  });
});

describe('behind trusted proxies', () => {
  it.each<[string, string, string[], string]>([
    ['a stranger who says so is not believed', '203.0.113.9', ['198.51.100.1'], '203.0.113.9'],
    ['a proxy is believed', '10.0.0.1', ['198.51.100.1'], '198.51.100.1'],
    ['a proxy by its one address is believed', '192.0.2.7', ['198.51.100.1'], '198.51.100.1'],
    ['its neighbour is not', '192.0.2.8', ['198.51.100.1'], '192.0.2.8'],
    ['the last word counts', '10.0.0.1', ['1.1.1.1, 2.2.2.2, 198.51.100.1'], '198.51.100.1'],
    ['a chain of proxies is walked', '10.0.0.1', ['198.51.100.1, 10.9.9.9, 10.8.8.8'], '198.51.100.1'],
    ['also over several headers', '10.0.0.1', ['198.51.100.1', '10.9.9.9'], '198.51.100.1'],
    ['a spoofed hop before the client is not reached', '10.0.0.1', ['10.1.1.1, 203.0.113.5'], '203.0.113.5'],
    ['all trusted: the farthest', '10.0.0.1', ['10.1.1.1, 10.2.2.2'], '10.1.1.1'],
    ['no header: the proxy', '10.0.0.1', [], '10.0.0.1'],
    ['an empty header: the proxy', '10.0.0.1', [''], '10.0.0.1'],
    ['garbage ends the walk', '10.0.0.1', ['198.51.100.1, unknown'], '10.0.0.1'],
    ['garbage behind a good hop', '10.0.0.1', ['<script>, 10.2.2.2'], '10.2.2.2'],
    ['a port is dropped', '10.0.0.1', ['198.51.100.1:4711'], '198.51.100.1'],
    ["the peer's port is dropped", '10.0.0.1:50123', ['198.51.100.1'], '198.51.100.1'],
    ['IPv6', 'fd00::1', ['2001:db8::5'], '2001:db8::5'],
    ['IPv6 in brackets with a port', 'fd00::1', ['[2001:db8::5]:443'], '2001:db8::5'],
    ["the peer's IPv6 in brackets", '[fd00::1]:50123', ['198.51.100.1'], '198.51.100.1'],
    ['IPv4 in IPv6', '::ffff:10.0.0.1', ['::ffff:198.51.100.1'], '198.51.100.1'],
    ['white space', '10.0.0.1', ['  198.51.100.1  '], '198.51.100.1'],
  ])('%s', (_what, peer, forwardedFor, client) => {
    expect(clientAddressBehind(PROXIES)(peer, forwardedFor)).toBe(client);
  });
});

it.each(['proxy.local', '10.0.0.0/33', '', '10.0.0'])('%j is no network', (network) => {
  expect(() => clientAddressBehind([network])).toThrow(/network|range/);
});
