// Lists of networks as people write them.

import type { Violations } from '../text.ts';
import { formatNetwork, parseNetwork } from './ip-network.ts';

/** No request names more networks. */
export const MAX_NETWORKS = 50;

/**
 * The networks in CIDR notation, each in its one spelling and without repeats; notes each rule broken. One with host bits is refused rather
 * than masked: who writes 10.0.0.5/8 may mean one host, and must not allow sixteen million.
 */
export function readNetworks(
  violations: Violations,
  field: string,
  raw: readonly string[],
): readonly string[] {
  if (raw.length > MAX_NETWORKS) {
    violations.add(field, `must hold at most ${MAX_NETWORKS} networks`);
    return [];
  }
  const networks = raw.map((text, index) => readNetwork(violations, `${field}[${index}]`, text));
  return [...new Set(networks)];
}

// Longer than any address with a prefix; what is longer is not looked at.
const MAX_LENGTH = 60;

function readNetwork(violations: Violations, field: string, text: string): string {
  const read = text.length > MAX_LENGTH ? undefined : parseNetwork(text);
  if (read === undefined) {
    violations.add(field, 'must be an IP address or a network like 10.0.0.0/8 or 2001:db8::/32');
    return '';
  }
  const network = formatNetwork(read.network);
  if (!read.isExact)
    violations.add(field, `must not have bits set behind its prefix; the network is ${network}`);
  return network;
}
