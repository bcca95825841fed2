// The forms that values of variables take, as zod schemas from text: each says what is wrong with a value that does not fit.

import { isIP } from 'node:net';
import { z } from 'zod';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const duration = (min: string, max: string) =>
  z
    .string()
    .regex(/^\d{1,9}(?:ms|s|m|h|d)$/, 'must be a number with a unit, like 500ms, 10s, 15m, 12h or 30d')
    .transform(parseDuration)
    .refine(
      (ms) => ms >= parseDuration(min) && ms <= parseDuration(max),
      `must be between ${min} and ${max}`,
    );
export const durationOrOff = (min: string, max: string) =>
  z
    .string()
    .regex(/^(?:off|\d{1,9}(?:ms|s|m|h|d))$/, 'must be off, or a number with a unit, like 10s, 5m or 12h')
    .transform((text): number | 'off' => (text === 'off' ? text : parseDuration(text)))
    .refine(
      (value) => value === 'off' || (value >= parseDuration(min) && value <= parseDuration(max)),
      `must be off, or between ${min} and ${max}`,
    );
export const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be between ${min} and ${max}`);
export const flag = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
export const address = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}$/, 'must be host:port, like 127.0.0.1:50051')
  .refine(
    (text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535,
    'must have a port of at most 65535',
  );
export const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .refine((text) => !/[?#]/.test(text), 'must have no query and no fragment')
  .transform((text) => text.replace(/\/+$/, ''));
export const breachCheckUrl = z
  .string()
  .refine((text) => text === 'off' || isPlainHttpUrl(text), {
    error: 'must be off, or an http or https URL without user name, query and fragment',
  })
  .transform((text) => (text === 'off' ? text : text.replace(/\/*$/, '/')));
export const redisUrl = z
  .string()
  .refine((text) => !/^rediss?\+(?:sentinel|cluster):/i.test(text), {
    abort: true,
    error:
      'Redis Sentinel and Redis Cluster are not supported; name one Redis by a redis:// or rediss:// URL',
  })
  .pipe(z.url({ protocol: /^rediss?$/, error: 'must be a redis:// or rediss:// URL' }));
export const origin = z.string().refine((text) => faultOfOrigin(text) === undefined, {
  error: ({ input }) =>
    `must hold origins like https://app.example.com, which ${String(input)} is not: ${faultOfOrigin(String(input)) ?? ''}`,
});
export const network = z.string().refine(isNetwork, {
  error: ({ input }) => `must hold IP addresses and networks like 10.0.0.0/8, which ${String(input)} is not`,
});
export const base64Key = z
  .string()
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((bytes) => bytes.length === 32, 'must be 32 bytes in base64 (openssl rand -base64 32)');

/** Why a text is no origin as browsers write it (RFC 6454, section 6.2); undefined when it is one. */
function faultOfOrigin(text: string): string | undefined {
  if (text.includes('*'))
    return 'a wildcard would let pages of any site call as the person; name each origin';
  if (text === 'null') return 'null is the origin of every sandboxed page and local file';
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return 'it must begin with https:// or http://';
  if (url.origin === text) return undefined;
  if (text === `${url.origin}/`) return 'leave out the slash at the end';
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '')
    return `an origin is scheme, host and port alone: ${url.origin}`;
  return `browsers write it ${url.origin}`;
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

// fetch refuses a URL with a password in it, and a prefix has no place behind a query.
function isPlainHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  return [url.username, url.password, url.search, url.hash].every((part) => part === '');
}

/** Milliseconds of a duration whose form was checked. */
export function parseDuration(text: string): number {
  const unit = text.replace(/^\d+/, '');
  return Number.parseInt(text, 10) * (UNITS[unit] ?? 0);
}
