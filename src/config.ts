// Environment → checked, frozen Config. The service refuses to start on nonsense, and says which variable is wrong and why.

import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { createSecureContext } from 'node:tls';
import { z } from 'zod';

/** A variable that is wrong, and what is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const PREFIX = 'LATCHKEY_';
const DEFAULT_PUBLIC_URL = 'http://localhost:8080';
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const duration = (min: string, max: string) =>
  z
    .string()
    .regex(/^\d{1,9}(?:ms|s|m|h|d)$/, 'must be a number with a unit, like 500ms, 10s, 15m, 12h or 30d')
    .transform(parseDuration)
    .refine(
      (ms) => ms >= parseDuration(min) && ms <= parseDuration(max),
      `must be between ${min} and ${max}`,
    );
const durationOrOff = (min: string, max: string) =>
  z
    .string()
    .regex(/^(?:off|\d{1,9}(?:ms|s|m|h|d))$/, 'must be off, or a number with a unit, like 10s, 5m or 12h')
    .transform((text): number | 'off' => (text === 'off' ? text : parseDuration(text)))
    .refine(
      (value) => value === 'off' || (value >= parseDuration(min) && value <= parseDuration(max)),
      `must be off, or between ${min} and ${max}`,
    );
const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be between ${min} and ${max}`);
const flag = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
const address = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}$/, 'must be host:port, like 127.0.0.1:50051')
  .refine(
    (text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535,
    'must have a port of at most 65535',
  );
const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .refine((text) => !/[?#]/.test(text), 'must have no query and no fragment')
  .transform((text) => text.replace(/\/+$/, ''));
const breachCheckUrl = z
  .string()
  .refine((text) => text === 'off' || isPlainHttpUrl(text), {
    error: 'must be off, or an http or https URL without user name, query and fragment',
  })
  .transform((text) => (text === 'off' ? text : text.replace(/\/*$/, '/')));
const origin = z
  .string()
  .refine(
    (text) => URL.canParse(text) && new URL(text).origin === text,
    'must hold origins like https://app.example.com',
  );
const network = z.string().refine(isNetwork, {
  error: ({ input }) => `must hold IP addresses and networks like 10.0.0.0/8, which ${String(input)} is not`,
});
const base64Key = z
  .string()
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((bytes) => bytes.length === 32, 'must be 32 bytes in base64 (openssl rand -base64 32)');

const Environment = z.object({
  DATABASE_URL: z.url({ protocol: /^postgres(?:ql)?$/, error: 'must be a postgres:// URL' }).optional(),
  DATABASE_POOL_SIZE: integer(1, 1_000).default(20),
  DATABASE_TIMEOUT: duration('100ms', '5m').default(5_000),
  DATABASE_OUTAGE_GRACE: duration('5s', '10m').default(60_000),
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'must be a redis:// or rediss:// URL' }).optional(),
  REDIS_KEY_PREFIX: z.string().max(100).default('latchkey:'),
  DATA_DIR: z.string().min(1).default('.latchkey'),
  GRPC_ADDRESS: address.default('127.0.0.1:50051'),
  HTTP_ADDRESS: address.default('127.0.0.1:8080'),
  PUBLIC_URL: httpUrl.optional(),
  ISSUER: httpUrl.optional(),
  AUDIENCE: z.string().min(1).max(300).default('latchkey'),
  MASTER_KEY: base64Key.optional(),
  MASTER_KEY_SECOND: base64Key.optional(),
  ACCESS_TOKEN_TTL: duration('10s', '24h').default(15 * 60_000),
  REFRESH_TOKEN_TTL: duration('10s', '365d').default(7 * 86_400_000),
  SESSION_MAX_AGE: duration('10s', '3650d').default(30 * 86_400_000),
  REFRESH_GRACE: duration('0s', '5m').default(10_000),
  SIGNING_ALGORITHM: z.enum(['ES256', 'EdDSA', 'RS256'], 'must be ES256, EdDSA or RS256').default('ES256'),
  SIGNING_KEY_ROTATION: duration('1h', '3650d').default(30 * 86_400_000),
  PASSWORD_POLICY: z.enum(['strict', 'nist'], 'must be strict or nist').default('strict'),
  BREACH_CHECK_URL: breachCheckUrl.default('https://api.pwnedpasswords.com/range/'),
  ARGON2_MEMORY_KIB: integer(1_024, 4_194_304).default(65_536),
  ARGON2_PASSES: integer(1, 100).default(3),
  ARGON2_LANES: integer(1, 64).default(4),
  HASHING_SLOTS: integer(1, 256).default(availableParallelism()),
  HASHING_QUEUE: integer(0, 100_000).optional(),
  REGISTRATION: z.enum(['private', 'open', 'closed'], 'must be private, open or closed').default('private'),
  REQUIRE_VERIFIED_EMAIL: flag.default(false),
  ANONYMOUS_VALIDATION: flag.default(false),
  RATE_LIMITS: z.enum(['on', 'off'], 'must be on or off').default('on'),
  ADMIN_EMAIL: z.string().min(3).max(254).default('admin@localhost.localdomain'),
  SMTP_URL: z.url({ protocol: /^smtps?$/, error: 'must be an smtp:// or smtps:// URL' }).optional(),
  MAIL_FROM: z.string().min(3).max(320).default('latchkey <no-reply@localhost.localdomain>'),
  ALLOWED_ORIGINS: list.pipe(z.array(origin)).default([]),
  TRUSTED_PROXIES: list.pipe(z.array(network)).default([]),
  TLS_CERT_FILE: z.string().optional(),
  TLS_KEY_FILE: z.string().optional(),
  TLS_CLIENT_CA_FILE: z.string().optional(),
  MAX_MESSAGE_BYTES: integer(65_536, 67_108_864).default(4_194_304),
  MAX_CONCURRENT_STREAMS: integer(1, 100_000).default(1_000),
  MAX_CALL_TIME: duration('100ms', '10m').default(30_000),
  SHUTDOWN_GRACE: duration('0s', '10m').default(10_000),
  CLEANUP_INTERVAL: durationOrOff('10s', '1d').default(5 * 60_000),
  AUDIT_RETENTION: durationOrOff('30d', '36500d').default('off'),
  LOG_LEVEL: z
    .enum(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'must be trace, debug, info, warn, error, fatal or silent',
    )
    .default('info'),
});

type Values = z.infer<typeof Environment>;

/** What the service runs by. Durations are milliseconds. */
export type Config = Readonly<
  Omit<
    Values,
    'PUBLIC_URL' | 'ISSUER' | 'HASHING_QUEUE' | 'TLS_CERT_FILE' | 'TLS_KEY_FILE' | 'TLS_CLIENT_CA_FILE'
  >
> & {
  readonly PUBLIC_URL: string;
  readonly ISSUER: string;
  readonly HASHING_QUEUE: number;
  readonly TLS:
    | { readonly cert: Buffer; readonly key: Buffer; readonly clientCa: Buffer | undefined }
    | undefined;
};

/**
 * Reads and checks every LATCHKEY_ variable; `X_FILE` names a file that holds the value of `X`. An empty variable counts as absent. Errors:
 * ConfigError that names every wrong variable.
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const parsed = Environment.safeParse(collect(environment));
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${PREFIX}${String(issue.path[0])}: ${issue.message}`);
    throw new ConfigError([...new Set(faults)].join('\n'));
  }
  return Object.freeze(complete(parsed.data));
}

/**
 * The LATCHKEY_ variables that nobody reads, misspelt perhaps. They are told rather than refused: a cluster puts variables of its own into
 * the environment of a service by this name (LATCHKEY_PORT, LATCHKEY_SERVICE_HOST).
 */
export function unknownVariables(environment: NodeJS.ProcessEnv): readonly string[] {
  return Object.keys(environment).filter((variable) => isOurs(variable) && nameOf(variable) === undefined);
}

function isOurs(variable: string): boolean {
  return variable.startsWith(PREFIX) && !variable.startsWith(`${PREFIX}TEST_`);
}

/** The name in Environment that the variable, or the file it names, has the value of. */
function nameOf(variable: string): string | undefined {
  const name = variable.slice(PREFIX.length);
  return [name, name.replace(/_FILE$/, '')].find((candidate) => candidate in Environment.shape);
}

function collect(environment: NodeJS.ProcessEnv): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [variable, value] of Object.entries(environment)) {
    if (!isOurs(variable) || value === undefined || value === '') continue;
    const name = nameOf(variable);
    if (name === undefined) continue;
    const isInFile = variable !== PREFIX + name;
    values[name] = isInFile ? readText(variable, value) : value;
  }
  return values;
}

function complete(values: Values): Config {
  const { PUBLIC_URL, ISSUER, HASHING_QUEUE, TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE, ...rest } =
    values;
  if (rest.DATABASE_URL !== undefined && rest.MASTER_KEY === undefined) {
    throw new ConfigError(
      `${PREFIX}MASTER_KEY: is required with ${PREFIX}DATABASE_URL; make one with: openssl rand -base64 32`,
    );
  }
  if (rest.MASTER_KEY_SECOND !== undefined && rest.MASTER_KEY === undefined) {
    throw new ConfigError(`${PREFIX}MASTER_KEY_SECOND: makes sense only with ${PREFIX}MASTER_KEY`);
  }
  if (rest.MASTER_KEY_SECOND?.equals(rest.MASTER_KEY ?? Buffer.of()) === true) {
    throw new ConfigError(`${PREFIX}MASTER_KEY_SECOND: is the same key as ${PREFIX}MASTER_KEY`);
  }
  if (rest.DATABASE_URL === undefined && rest.REDIS_URL !== undefined) {
    throw new ConfigError(
      `${PREFIX}REDIS_URL: makes sense only with ${PREFIX}DATABASE_URL; the embedded database serves one process`,
    );
  }
  if (rest.REFRESH_TOKEN_TTL < rest.ACCESS_TOKEN_TTL) {
    throw new ConfigError(`${PREFIX}REFRESH_TOKEN_TTL: must not be shorter than ${PREFIX}ACCESS_TOKEN_TTL`);
  }
  // The same on every node, whatever its own ports: nodes with two issuers would refuse each other's tokens.
  const publicUrl = PUBLIC_URL ?? DEFAULT_PUBLIC_URL;
  return {
    ...rest,
    PUBLIC_URL: publicUrl,
    ISSUER: ISSUER ?? publicUrl,
    HASHING_QUEUE: HASHING_QUEUE ?? rest.HASHING_SLOTS * 8,
    TLS: readTls(TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE),
  };
}

function readTls(
  certFile: string | undefined,
  keyFile: string | undefined,
  clientCaFile: string | undefined,
): Config['TLS'] {
  if (certFile === undefined && keyFile === undefined) {
    if (clientCaFile !== undefined)
      throw new ConfigError(
        `${PREFIX}TLS_CLIENT_CA_FILE: needs ${PREFIX}TLS_CERT_FILE and ${PREFIX}TLS_KEY_FILE`,
      );
    return undefined;
  }
  if (certFile === undefined || keyFile === undefined) {
    throw new ConfigError(`${PREFIX}TLS_CERT_FILE and ${PREFIX}TLS_KEY_FILE: set both or neither`);
  }
  const cert = readBytes(`${PREFIX}TLS_CERT_FILE`, certFile);
  const key = readBytes(`${PREFIX}TLS_KEY_FILE`, keyFile);
  const clientCa =
    clientCaFile === undefined ? undefined : readBytes(`${PREFIX}TLS_CLIENT_CA_FILE`, clientCaFile);
  requireUsable(`${PREFIX}TLS_CERT_FILE and ${PREFIX}TLS_KEY_FILE`, { cert, key });
  if (clientCa !== undefined) requireUsable(`${PREFIX}TLS_CLIENT_CA_FILE`, { ca: clientCa });
  return { cert, key, clientCa };
}

function requireUsable(variables: string, material: Parameters<typeof createSecureContext>[0]): void {
  try {
    createSecureContext(material);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${variables}: not usable as PEM (${reason})`, { cause: error });
  }
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

function readBytes(variable: string, file: string): Buffer {
  if (!existsSync(file)) throw new ConfigError(`${variable}: there is no file ${file}`);
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigError(`${variable}: cannot read ${file}`, { cause: error });
  }
}

function readText(variable: string, file: string): string {
  return readBytes(variable, file).toString().trim();
}

function parseDuration(text: string): number {
  const unit = text.replace(/^\d+/, '');
  return Number.parseInt(text, 10) * (UNITS[unit] ?? 0);
}
