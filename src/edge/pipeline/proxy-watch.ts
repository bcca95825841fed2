// Notices a proxy that is not configured as trusted: all its clients would count as one address.

import { BlockList, isIP } from 'node:net';

const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
] as const)
  PRIVATE.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['fc00::', 7],
  ['fe80::', 10],
  ['::1', 128],
] as const)
  PRIVATE.addSubnet(network, prefix, 'ipv6');

/** A peer of the open internet may make the header up; one that names so many clients is a proxy, or wants to be taken for one. */
const CLIENTS_OF_A_PROXY = 20;
const MAX_PEERS = 100;
const MAX_LENGTH = 100;

/** Called for each call with `x-forwarded-for` whose sender is not trusted; calls `onProxy` once, with the sender's address. */
export class ProxyWatch {
  readonly #onProxy: (address: string) => void;
  readonly #clients = new Map<string, Set<string>>();
  #hasReported = false;

  constructor(onProxy: (address: string) => void) {
    this.#onProxy = onProxy;
  }

  note(peer: string, forwardedFor: readonly string[]): void {
    if (this.#hasReported || isIP(peer) === 0 || !this.#isProxy(peer, forwardedFor)) return;
    this.#hasReported = true;
    this.#clients.clear();
    this.#onProxy(peer);
  }

  #isProxy(peer: string, forwardedFor: readonly string[]): boolean {
    if (PRIVATE.check(peer, isIP(peer) === 6 ? 'ipv6' : 'ipv4')) return true;
    const clients = this.#clients.get(peer) ?? new Set();
    if (!this.#clients.has(peer) && this.#clients.size >= MAX_PEERS) return false;
    this.#clients.set(peer, clients.add(forwardedFor.join(',').slice(0, MAX_LENGTH)));
    return clients.size >= CLIENTS_OF_A_PROXY;
  }
}
