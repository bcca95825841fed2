// The address of the client behind a call: the peer's, or the one that a trusted proxy reports.

import { BlockList, isIP } from 'node:net';

/**
 * From the peer's address and the values of `x-forwarded-for` to the client's address. With `believesSender`, the sender of the call is trusted
 * about its own client too, as if it were a proxy.
 */
export type ClientAddress = (
  peerAddress: string,
  forwardedFor: readonly string[],
  believesSender?: boolean,
) => string;

/** A network in CIDR notation, or one address. Errors: TypeError when it is neither. */
function addNetwork(list: BlockList, text: string): void {
  const [address = '', prefix] = text.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(address) === 0) throw new TypeError(`${text} is neither an IP address nor a network`);
  if (prefix === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(prefix), family);
}

/**
 * Walks `x-forwarded-for` from the right for as long as the hop that reported is trusted, so that a client cannot forge what a proxy reported.
 * What any other peer reports does not count; `onUntrusted` is called for it. Errors: TypeError or RangeError when a network is not one.
 */
export function clientAddressBehind(
  trustedProxies: readonly string[],
  onUntrusted: (address: string, forwardedFor: readonly string[]) => void = () => undefined,
): ClientAddress {
  const isTrusted = withinAny(trustedProxies);

  return (peerAddress, forwardedFor, believesSender = false) => {
    if (forwardedFor.length === 0) return plainAddress(peerAddress);
    const hops = forwardedFor
      .join(',')
      .split(',')
      .map((hop) => plainAddress(hop.trim()));
    let client = plainAddress(peerAddress);
    for (;;) {
      const reported = hops.pop();
      if (reported === undefined || isIP(reported) === 0 || isIP(client) === 0) return client;
      if (!isTrusted(client)) {
        if (believesSender) return reported;
        onUntrusted(client, forwardedFor);
        return client;
      }
      client = reported;
    }
  };
}

/** Whether an address lies in one of these networks. Errors: TypeError or RangeError when a network is not one. */
export function withinAny(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) addNetwork(list, network);
  return (text) => {
    const address = plainAddress(text);
    return isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  };
}

/** The address without port, brackets and the IPv4-in-IPv6 prefix. */
function plainAddress(text: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1];
  const address = bracketed ?? (isIP(text) === 0 ? text.replace(/:\d+$/, '') : text);
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}
