// IP addresses and networks, and which address lies in which network.

/** An address as a number. An IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) is the IPv4 address. */
export type IpAddress = { readonly family: 4 | 6; readonly bits: bigint };

/** A network: the first `prefix` bits of its addresses are those of `bits`, whose others are 0. */
export type IpNetwork = IpAddress & { readonly prefix: number };

const WIDTH = { 4: 32, 6: 128 } as const;
const MAPPED_PREFIX = 96;
const MAPPED = 0xffffn;

// A leading zero is refused: some readers take it for octal and see another address (CVE-2021-28918 class).
const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-f]{1,4}$/i;
const PREFIX = /^(?:0|[1-9]\d{0,2})$/;

/** The address that the text spells, without regard to an IPv6 zone; undefined when it spells none. */
export function parseAddress(text: string): IpAddress | undefined {
  const parsed = parseUnmapped(text.replace(/%.*$/, ''));
  if (parsed === undefined || !isMapped(parsed)) return parsed;
  return { family: 4, bits: parsed.bits & 0xffff_ffffn };
}

/**
 * The network of a text in CIDR notation, or of the one address; `isExact` unless bits behind the prefix are set, which are then dropped.
 * Undefined when the text is neither.
 */
export function parseNetwork(
  text: string,
): { readonly network: IpNetwork; readonly isExact: boolean } | undefined {
  const read = readNetwork(text);
  if (read === undefined) return undefined;
  const host = hostBits(read);
  const network = { ...read, bits: (read.bits >> host) << host };
  return { network, isExact: network.bits === read.bits };
}

/** In CIDR notation: dotted decimal, or as RFC 5952 spells IPv6. */
export function formatNetwork({ family, bits, prefix }: IpNetwork): string {
  return `${family === 4 ? formatV4(bits) : formatV6(bits)}/${prefix}`;
}

/** Whether the address lies in the network. No IPv6 network holds an IPv4 address, `::/0` neither. */
export function isWithin(address: IpAddress, network: IpNetwork): boolean {
  return address.family === network.family && (address.bits ^ network.bits) >> hostBits(network) === 0n;
}

/** Whether every address of `inner` lies in one of `outer`, both in CIDR notation; no network at all stands for any address. */
export function isNarrower(inner: readonly string[], outer: readonly string[]): boolean {
  if (outer.length === 0) return true;
  const networks = outer.map(requireNetwork);
  return (
    inner.length > 0 && inner.map(requireNetwork).every((one) => networks.some((all) => isPart(one, all)))
  );
}

function isPart(inner: IpNetwork, outer: IpNetwork): boolean {
  return inner.prefix >= outer.prefix && isWithin(inner, outer);
}

function requireNetwork(text: string): IpNetwork {
  const read = parseNetwork(text);
  if (read === undefined) throw new Error(`${text} is no network`);
  return read.network;
}

function hostBits({ family, prefix }: IpNetwork): bigint {
  return BigInt(WIDTH[family] - prefix);
}

function readNetwork(text: string): IpNetwork | undefined {
  const [addressText = '', prefixText, ...rest] = text.split('/');
  const address = parseUnmapped(addressText);
  if (address === undefined || rest.length > 0) return undefined;
  const width = WIDTH[address.family];
  if (prefixText !== undefined && !PREFIX.test(prefixText)) return undefined;
  const prefix = prefixText === undefined ? width : Number(prefixText);
  if (prefix > width) return undefined;
  if (!isMapped(address) || prefix < MAPPED_PREFIX) return { ...address, prefix };
  return { family: 4, bits: address.bits & 0xffff_ffffn, prefix: prefix - MAPPED_PREFIX };
}

function isMapped({ family, bits }: IpAddress): boolean {
  return family === 6 && bits >> 32n === MAPPED;
}

function parseUnmapped(text: string): IpAddress | undefined {
  const family = text.includes(':') ? 6 : 4;
  const bits = family === 4 ? parseV4(text) : parseV6(text);
  return bits === undefined ? undefined : { family, bits };
}

function parseV4(text: string): bigint | undefined {
  const octets = text.split('.');
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet) && Number(octet) <= 255))
    return undefined;
  return joined(octets.map(BigInt), 8n);
}

function parseV6(text: string): bigint | undefined {
  const [head, tail, ...rest] = withoutDots(text)
    .split('::')
    .map((half) => (half === '' ? [] : half.split(':')));
  if (head === undefined || rest.length > 0) return undefined;
  const given = head.length + (tail?.length ?? 0);
  if (tail === undefined ? given !== 8 : given > 7) return undefined;
  const groups = [...head, ...Array.from({ length: 8 - given }, () => '0'), ...(tail ?? [])];
  if (!groups.every((group) => GROUP.test(group))) return undefined;
  return joined(
    groups.map((group) => BigInt(`0x${group}`)),
    16n,
  );
}

// The last 32 bits may be written as an IPv4 address (RFC 4291, section 2.2).
function withoutDots(text: string): string {
  const lastColon = text.lastIndexOf(':');
  const low = parseV4(text.slice(lastColon + 1));
  if (low === undefined) return text;
  return `${text.slice(0, lastColon + 1)}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
}

function joined(parts: readonly bigint[], width: bigint): bigint {
  return parts.reduce((bits, part) => (bits << width) | part, 0n);
}

function formatV4(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => ((bits >> shift) & 0xffn).toString()).join('.');
}

function formatV6(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_group, index) =>
    ((bits >> BigInt(112 - index * 16)) & 0xffffn).toString(16),
  );
  const text = groups.join(':');
  const [longest] = [...text.matchAll(/\b0(?::0)+\b/g)].toSorted((a, b) => b[0].length - a[0].length);
  if (longest === undefined) return text;
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const behind = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${behind}`;
}
