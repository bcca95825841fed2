// A proxy that is not configured as trusted is reported once.

import { expect, it } from 'vitest';
import { clientAddressBehind } from '../../src/edge/pipeline/client-address.ts';
import { ProxyWatch } from '../../src/edge/pipeline/proxy-watch.ts';

function watched(trusted: readonly string[] = []) {
  const told: string[] = [];
  const watch = new ProxyWatch((address) => told.push(address));
  const address = clientAddressBehind(trusted, (peer, forwardedFor) => watch.note(peer, forwardedFor));
  return { told, call: (peer: string, ...forwardedFor: string[]) => address(peer, forwardedFor) };
}

it.each(['10.1.2.3', '::ffff:172.17.0.1', '192.168.1.1', '127.0.0.1', 'fd00::1', '::1', '100.64.3.4'])(
  'one on a private network, %s, at its first call',
  (peer) => {
    const { told, call } = watched();
    call(peer);
    expect(told).toEqual([]);
    for (let time = 0; time < 5; time += 1) call(peer, '198.51.100.1');
    expect(told).toHaveLength(1);
    expect(told[0]).toBe(peer.replace('::ffff:', ''));
  },
);

it('one on the open internet when it has named many clients, and no single client', () => {
  const { told, call } = watched();
  for (let time = 0; time < 100; time += 1) call('203.0.113.9', '198.51.100.1');
  for (let host = 1; host < 20; host += 1) call('203.0.113.10', `198.51.100.${host}`);
  expect(told).toEqual([]);
  call('203.0.113.10', '198.51.100.20');
  call('203.0.113.11', '198.51.100.21');
  expect(told).toEqual(['203.0.113.10']);
});

it('none that is trusted, and none by a header that says nothing', () => {
  const { told, call } = watched(['10.0.0.0/8']);
  expect(call('10.1.2.3', '198.51.100.1')).toBe('198.51.100.1');
  call('192.168.1.1', 'unknown');
  call('192.168.1.1', '');
  expect(told).toEqual([]);
});
