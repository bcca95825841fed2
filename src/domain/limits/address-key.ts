// What a caller is counted by when limits count by address.

import { formatNetwork, parseAddress } from '../network/ip-network.ts';

const SUBSCRIBER_GROUPS = [48n, 32n, 16n, 0n];
// Most callers, and every call of theirs: nothing about it needs to be worked out.
const PLAIN_V4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * An IPv4 address as it is, also when it came as one in IPv6; of an IPv6 address the /64, which is what one subscriber has (RFC 6177). Anything
 * else, as from a socket without addresses, counts as one caller.
 */
export function addressKey(address: string): string {
  if (PLAIN_V4.test(address)) return address;
  const parsed = parseAddress(address);
  if (parsed === undefined) return 'unknown';
  if (parsed.family === 4) return formatNetwork({ ...parsed, prefix: 32 }).replace('/32', '');
  const subscriber = parsed.bits >> 64n;
  const groups = SUBSCRIBER_GROUPS.map((shift) => ((subscriber >> shift) & 0xffffn).toString(16));
  return `${groups.join(':')}::/64`;
}
